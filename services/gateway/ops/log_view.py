"""The parts that show ops the log, with the readers that they need."""

from cohost.kafka.connection import KafkaConnection
from services.gateway.ops.activity.log_activity import LogActivity
from services.gateway.ops.activity.rejection_follower import RejectionFollower
from services.gateway.ops.history.history_reader import RoomHistoryReader


class LogView:
    """The activity, which is also to be given the events of the streams, and the histories of rooms."""

    def __init__(self, connection: KafkaConnection) -> None:
        self.activity = LogActivity(connection)
        self.history = RoomHistoryReader(connection)
        self._follower = RejectionFollower(connection, self.activity)

    async def run(self) -> None:
        """Read rejections and dead letters until cancelled."""
        await self._follower.run()

    async def close(self) -> None:
        """Close the connections."""
        await self.history.close()
