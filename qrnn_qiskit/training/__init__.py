"""Training: from a configuration to a trained and evaluated run.

The usual order is ``config.resolve_config`` -> ``run_folder.create_run`` -> ``trainer.train`` (or
``trainer.resume``) -> ``loading.load_run`` -> ``evaluation.evaluate``.

- Configuration: ``schema`` defines the settings, ``config`` resolves them, ``build`` and ``sizing``
  make a model from them, ``experiment`` also its task and data.
- Run folder: ``run_folder`` creates and opens a ``saved_run``; ``run_files``, ``checkpoint``,
  ``provenance``, ``lock``.
- Training: ``trainer`` starts or resumes the ``loop``, which ends with a ``result``. The loop uses
  ``position``, ``learning_rate``, ``randomness``, ``interruption``, ``progress`` and
  ``tensorboard``, and with several processes ``processes`` and ``say_once``. ``fine_tuning`` starts
  from another run, ``device_steps`` takes a few steps on a service.
- Trained models: ``loading``, ``inference``, ``evaluation`` with ``evaluation_result`` and
  ``evaluation_files``, ``deviations``.
"""
