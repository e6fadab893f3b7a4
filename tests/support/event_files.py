"""A reader of TensorBoard's event files that shares nothing with the one in paramjax."""

import struct

from tensorboardX.proto import event_pb2


def crc32c(data):
    """Castagnoli's polynomial, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def records(content, strict):
    """The records of a TFRecord file, up to one that was cut off."""
    while len(content) >= 12:
        (length,) = struct.unpack("<Q", content[:8])
        if len(content) < length + 16:
            return
        data = content[12 : 12 + length]
        sums = content[8:12] + content[12 + length : 16 + length]
        sound = struct.unpack("<II", sums) == (masked(content[:8]), masked(data))
        assert sound or not strict
        if not sound:
            return  # as TensorBoard does
        yield data
        content = content[16 + length :]


def shown(folder, *, strict=True):
    """What TensorBoard shows: tag -> [(step, value)], files in the order of their names.

    As its `EventAccumulator` does, the start of a session purges events of its step and later.
    """
    values = {}
    for path in sorted(folder.iterdir()):
        assert "tfevents" in path.name
        events = [event_pb2.Event.FromString(data) for data in records(path.read_bytes(), strict)]
        assert not events or events[0].file_version == "brain.Event:2"
        for event in events:
            if event.session_log.status == event_pb2.SessionLog.START:
                values = {tag: [v for v in all_ if v[0] < event.step]
                          for tag, all_ in values.items()}  # fmt: skip
            for value in event.summary.value:
                values.setdefault(value.tag, []).append((event.step, value.simple_value))
    return values
