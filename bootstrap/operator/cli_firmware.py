"""The verbs of firmware: build, sign, inspect, publish."""

import os

import click

from ...agent import limits, manifest
from . import files, firmware, fleet as fleets, manifests, push, rollout as rollouts, source
from .commands import FLEET, broker_option, fleet_option, format_option, main, show, warn
from .cli_work import commands, refusals
from .errors import OperatorError


@main.group(name="firmware")
def firmware_group():
    """Build, sign, look at and publish the agent's own image."""


def file_argument(name):
    """An argument that names a file that is there."""
    return click.argument(name.lower(), metavar=name, type=click.Path(exists=True, dir_okay=False))


def boxes_options(vendor, klass):
    """Adds --vendor and --class as `vendor` and `klass`, with these defaults."""

    def add(command):
        shown = vendor is not None
        command = click.option("--class", "klass", metavar="NAME", default=klass, show_default=shown,
                               help="The class of boxes, as their agent.conf names it.")(command)
        return click.option("--vendor", metavar="DOMAIN", default=vendor, show_default=shown,
                            help="The boxes' vendor, as their agent.conf names it.")(command)

    return add


@firmware_group.command()
@click.option("--sequence", type=click.IntRange(1, (1 << 32) - 1), metavar="N",
              help="What the image says of itself, in unix seconds.  [default: SOURCE_DATE_EPOCH, or the last commit]")
@click.option("-o", "--out", required=True, metavar="FILE", help="Where the image goes.")
@format_option
def build(sequence, out, style):
    """Build an image of this agent, an archive for boxes of every processor.

    The same sources and sequence give the same bytes.
    """
    data, sequence = firmware.built(sequence)
    files.write_whole(out, data)
    value = {"image": out, "sequence": sequence, **_image_row(firmware.load(out))}
    show(style, value, f"{out}: {len(data):,} bytes, sequence {sequence}, SHA-256 {value['sha256']}")


@firmware_group.command()
@fleet_option
@file_argument("IMAGE")
@boxes_options(firmware.VENDOR, firmware.CLASS)
@click.option("--sequence", type=int, metavar="N",
              help="Unix seconds; boxes take only higher ones.  [default: now]")
@click.option("--valid", default=firmware.VALID, show_default=True, metavar="TIME",
              help="How long boxes may install it, such as 30d.")
@click.option("--waves", metavar="PERCENT,...", help="Shares of the boxes that take it one after the other."
              f"  [default: {rollouts.WAVES} in a fleet of {rollouts.BOXES_FOR_WAVES:,} boxes and more, else 100]")
@click.option("--soak", default=rollouts.SOAK, show_default=True, metavar="TIME",
              help="How long it must have run on boxes of a wave before the next one begins.")
@click.option("--polled", type=click.IntRange(1, limits.WAVE_POLLED), metavar="N",
              help="Boxes that each box asks.  [default: 20, fewer if a wave is small]")
@click.option("--region-order", metavar="REGION,...", help="After the first wave, one region after the other.")
@click.option("-o", "--out", required=True, metavar="FILE", help="Where the signed manifest goes.")
@click.option("--blobs", metavar="DIR", help="Where the image's parts go.  [default: FILE.blobs]")
@format_option
def sign(fleet, image, vendor, klass, sequence, valid, waves, soak, polled, region_order, out, blobs, style):
    """Sign an image, an archive or a static executable, for a class of boxes.

    Prints the commands that do what `backfence firmware publish` does.
    """
    folder = blobs or out + ".blobs"
    made = firmware.load(image)
    regions = [name.strip() for name in region_order.split(",")] if region_order else ()
    chosen = rollouts.plan(fleet, firmware.digest(made.data), waves, source.duration(soak), regions, polled)
    signed, payload, parts = firmware.sign(fleet, made, vendor, klass, source.duration(valid), sequence, waves=chosen)
    warn(fleet)
    os.makedirs(folder, exist_ok=True)
    for digest, data in parts.items():
        files.write_whole(os.path.join(folder, digest.hex()), data)
    files.write_whole(out, signed)
    said = firmware.row(payload)
    told = [f"# {line}" for line in firmware.lines(said, (vendor, klass))]
    show(style, said, "\n".join([*told, *commands(fleet, manifests.label(payload), out, folder)]))


@firmware_group.command()
@click.option("--fleet", "directory", envvar="BACKFENCE_FLEET", default=FLEET, show_default=True, metavar="DIR",
              help="The fleet whose signature it should have.")
@file_argument("FILE")
@boxes_options(None, None)
@format_option
@click.pass_context
def inspect(context, directory, file, vendor, klass, style):
    """Say what a signed firmware, or an image, is, and whether the fleet's signature holds.

    Exit 1 if it does not, or if --vendor or --class are given and it is for other boxes.
    """
    data = source.read_file(file, "the file")
    if data[:2] != manifest.ENVELOPE:
        value = _image_row(firmware.load(file))
        lines = [f"an image: {firmware.target(value['component'])}", f"has {value['size']:,} bytes in {value['parts']} parts; "
                 f"fits boxes with slot_kb of {value['slot_kb']} or more", f"has SHA-256 {value['sha256']}"]
        return show(style, value, "\n".join(lines))
    payload = firmware.decode(data, file)
    value = {**firmware.row(payload), "for": _is_for(payload, vendor, klass)}
    value["signature"] = _signature(context, directory, data)
    held = value["signature"]
    lines = firmware.lines(value, _names(payload, vendor, klass))
    if value["for"] is not None:
        lines.append(("is" if value["for"] else "is NOT") + f" for {vendor or firmware.VENDOR}, {klass or firmware.CLASS}")
    lines.append(f"signature: {held['says']}")
    show(style, value, "\n".join(lines))
    if held["holds"] is False or value["for"] is False:
        raise SystemExit(1)


def _image_row(made):
    size = len(made.data)
    return {
        "kind": made.kind, "component": f"agent/{made.target}", "size": size, "parts": firmware.parts(size),
        "slot_kb": firmware.slot_kb(size), "sha256": firmware.digest(made.data).hex(), "modules": len(made.modules),
    }


def _is_for(payload, vendor, klass):
    """True or False if a person asks whether it is for these boxes, else None."""
    if vendor is None and klass is None:
        return None
    return (payload["vendor"], payload["class"]) == firmware.ids(vendor or firmware.VENDOR, klass or firmware.CLASS)


def _names(payload, vendor, klass):
    """The names of its vendor and class: a manifest holds their ids alone, so those that fit among what is known."""
    for vendor in (vendor or firmware.VENDOR, firmware.VENDOR):
        for klass in (klass or firmware.CLASS, firmware.CLASS):
            vendor_id, class_id = firmware.ids(vendor, klass)
            if vendor_id == payload["vendor"]:
                return vendor, klass if class_id == payload["class"] else ""
    return "", ""


def _signature(context, directory, data):
    """{"fleet", "holds", "says"}: whether the fleet's signature holds; holds is None if there is no fleet to ask."""
    try:
        fleet = fleets.Fleet(directory)
    except OperatorError as error:
        if context.get_parameter_source("directory") is not click.core.ParameterSource.DEFAULT:
            raise
        return {"fleet": None, "holds": None, "says": f"not checked: {error.message}"}
    why = firmware.why_not(fleet, data)
    says = f"does NOT hold for fleet {fleet.id.hex()}: {why}" if why else f"holds for fleet {fleet.id.hex()}"
    return {"fleet": fleet.id.hex(), "holds": why is None, "says": says}


@firmware_group.command()
@fleet_option
@broker_option
@file_argument("FILE")
@click.option("--blobs", metavar="DIR", help="Where the image's parts are.  [default: FILE.blobs]")
@click.option("--wait", type=float, default=2.0, show_default=True, help="Seconds to listen for doors' refusals.")
@click.option("--deadline-s", type=float, default=60.0, show_default=True, help="Seconds the broker has to take it.")
@format_option
def publish(fleet, broker, file, blobs, wait, deadline_s, style):
    """Publish a firmware that `sign` made: boxes of its class install it.

    Exit 1 if a door refuses it.
    """
    signed = source.read_file(file, "the file")
    firmware.decode(signed, file)
    payload = manifests.read(signed, fleet.keys)
    found = firmware.read_blobs(payload, blobs or file + ".blobs")
    with push.Session(broker or fleet.broker) as session:
        report, doors = firmware.publish(session, fleet, signed, found, wait, deadline_s)
        for made in rollouts.queries(fleet, payload) if payload.get("waves") else ():
            push.publish(session.broker, fleet, fleet.sign(made), session=session)
    refusing = len({each["box"] for each in report.refused})
    value = {
        "manifest": report.label, "sequence": report.sequence, "acknowledged": report.acknowledged,
        "bytes": report.size, "doors": doors, "refused": report.refused,
    }
    said = f"{report.label} {report.sequence}: {report.acknowledged} publications, {report.size:,} bytes"
    met = f"{max(doors - refusing, 0)}/{doors} doors online have no objection"
    if not doors:
        met = "no door is online; the broker keeps it until one is"
    show(style, value, "\n".join([said, met, *refusals(report.refused)]))
    if report.refused:
        raise SystemExit(1)
