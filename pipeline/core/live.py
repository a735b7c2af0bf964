"""The live devices of a partition, and which of them are idle.

Nothing is done for a device when it is heard of: a heap has one entry for each, an arrival it was heard at, which is
renewed when it comes up. So an entry may lie behind the device's last arrival, but never before it. An ordered dictionary
would be as fast but wrong after a restart: a device restored from a state newer than the committed position was last heard
in the future, and insertion order is no longer the order of last arrival.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from pipeline.core.episode import Episode


class LiveDevices:
    """Episodes by device."""

    def __init__(self) -> None:
        self.episodes: dict[str, Episode] = {}
        self._heard: list[tuple[int, str]] = []

    def add(self, episode: Episode) -> None:
        """A device begins an episode, or goes on with a restored one."""
        self.episodes[episode.device] = episode
        heappush(self._heard, (episode.last_arrival, episode.device))

    def take_idle(self, deadline: int, offset: int) -> list[Episode]:
        """Takes out the devices last heard at `deadline` or before, in order of (last arrival, device).

        A device whose restored state reaches to `offset` or beyond stays: the record there is in it already.
        """
        if not self._heard or self._heard[0][0] > deadline:
            return []
        idle: list[Episode] = []
        later: list[Episode] = []
        while self._heard and self._heard[0][0] <= deadline:
            episode = self.episodes[heappop(self._heard)[1]]
            (idle if episode.last_arrival <= deadline and episode.applied < offset else later).append(episode)
        for episode in later:
            heappush(self._heard, (episode.last_arrival, episode.device))
        return self._taken(idle)

    def take_all(self, offset: int | None = None) -> list[Episode]:
        """Takes out all devices, in order of (last arrival, device); with an offset, those whose state does not reach it."""
        taken = self._taken([episode for episode in self.episodes.values() if offset is None or episode.applied < offset])
        self._heard = [(episode.last_arrival, device) for device, episode in self.episodes.items()]
        heapify(self._heard)
        return taken

    def _taken(self, episodes: list[Episode]) -> list[Episode]:
        for episode in episodes:
            del self.episodes[episode.device]
        return sorted(episodes, key=lambda episode: (episode.last_arrival, episode.device))
