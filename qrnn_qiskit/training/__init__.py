"""Training: configuration, run folders, checkpoints, the training loop, evaluation.

``config.resolve_config`` -> ``run_folder.create_run`` -> ``trainer.train`` (``trainer.resume``)
-> ``evaluation.evaluate``.
"""
