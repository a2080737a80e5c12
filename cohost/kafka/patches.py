"""Process-wide patches of aiokafka, for behaviour that it has no options for."""

from aiokafka.producer import sender

from cohost.kafka import bounded_consumer


def apply_patches() -> None:
    """Apply every patch; a process calls this once, at its start. Importing a module patches nothing."""
    bounded_consumer.install_bounded_reader()
    # The wait after CONCURRENT_TRANSACTIONS on a transaction's first partition; aiokafka's default is 20 ms.
    sender.BACKOFF_OVERRIDE = 0.002
