"""Faults of the network between processes and Redis."""

from __future__ import annotations

from chaos.cell import Cell
from chaos.proxy import Proxy
from chaos.schedule import Fault


def _link(cell: Cell, fault: Fault) -> Proxy:
    return cell.fleet.links[fault.whom(len(cell.fleet.links))]


async def delay(cell: Cell, fault: Fault) -> None:
    """A process's way to Redis is slow to answer for a while."""
    link = _link(cell, fault)
    link.latency = fault.between(0.002, 0.08)
    cell.soon(0.7, lambda: setattr(link, "latency", 0.0))


async def narrow(cell: Cell, fault: Fault) -> None:
    """A process's way to Redis carries little for a while."""
    link = _link(cell, fault)
    link.rate = int(fault.between(20_000, 500_000))
    cell.soon(0.7, lambda: setattr(link, "rate", 0))


async def cut_before(cell: Cell, fault: Fault) -> None:
    """A process's connection breaks before a call of a script gets to Redis."""
    _link(cell, fault).cuts = "before"


async def cut_after(cell: Cell, fault: Fault) -> None:
    """A process's connection breaks after a script was carried out, before the reply."""
    _link(cell, fault).cuts = "after"


async def cut_link(cell: Cell, fault: Fault) -> None:
    """All of a process's connections break."""
    _link(cell, fault).cut()


async def black_hole(cell: Cell, fault: Fault) -> None:
    """A process's connections stay open and carry nothing for a while."""
    link = _link(cell, fault)
    link.swallow()
    cell.soon(fault.between(0.1, 2.5), link.carry)
