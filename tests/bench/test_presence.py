"""What the bench of presence makes of what friends were told."""

from __future__ import annotations

import json

from server.bench import presence as bench
from server.bench.common import _plain


def test_what_is_told_late_or_never_does_not_hold() -> None:
    comer, friends = bench.Person(0), [bench.Person(number) for number in (1, 2)]
    comer.friends = friends
    for friend, at in zip(friends, (10.1, 10.4), strict=True):
        friend.seen[comer.id, "online"] = at
    online = bench._delays([comer], "online", {comer.id: 10.0})
    assert [round(delay, 3) for delay in online] == [0.1, 0.4]
    good = bench._figures(2, 2, 1, online, online, [0.001])
    assert (good["told"], good["never_told"], good["online_p95_ms"], good["holds"]) == (4, 0, 400.0, True)

    never = bench._delays([comer], "offline", {comer.id: 20.0})
    bad = bench._figures(2, 2, 1, online, never, [0.001])
    assert (bad["told"], bad["never_told"], bad["holds"]) == (2, 2, False)
    assert json.loads(json.dumps(_plain(bad)))["offline_p95_ms"] is None
    assert not bench._figures(2, 2, 1, online, [0.6, 0.6], [0.001])["holds"]
