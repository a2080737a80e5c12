"""The keys that commands of this copy used lately, also those that no service has decided yet."""

from collections import OrderedDict

from services.gateway.commands.identity import CommandIdentity

_MAX_KEYS = 10_000


class RecentKeys:
    """Remember the command that used each key first."""

    def __init__(self, max_keys: int = _MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._identities: OrderedDict[str, CommandIdentity] = OrderedDict()

    def claim(self, key: str, identity: CommandIdentity) -> bool:
        """Return whether the command may use the key: no other one has done so, as far as is known here."""
        first = self._identities.setdefault(key, identity)
        self._identities.move_to_end(key)
        if len(self._identities) > self._max_keys:
            self._identities.popitem(last=False)
        return first == identity
