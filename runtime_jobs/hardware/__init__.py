"""What a device is to its circuits: calibration, layouts, patches, job limits, ISA circuits."""
