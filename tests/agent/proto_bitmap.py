"""The bitmap beside a set of numbers."""

from backfence.agent.bitmap import Bitmap
from backfence.agent.rng import Rng


def test_beside_a_set():
    rng = Rng(b"bits")
    for length in (1, 7, 8, 9, 255, 8192):
        bitmap, numbers = Bitmap(length), set()
        assert len(bitmap.data) == (length + 7) // 8
        for _ in range(60):
            bit = rng.below(length)
            bitmap.set(bit)
            numbers.add(bit)
        assert bitmap.count() == len(numbers)
        for bit in range(min(length, 300)):
            assert bitmap.get(bit) == (bit in numbers)
        bitmap.clear()
        assert bitmap.count() == 0


def test_merge_says_whether_anything_changed():
    one, other = Bitmap(20), Bitmap(20)
    one.set(3)
    other.set(3)
    assert not one.merge(other.data)
    other.set(19)
    assert one.merge(bytes(other.data)) and one.get(19) and one.get(3) and one.count() == 2
    assert not one.merge(other.data) and not one.merge(bytes(3))


def test_bit_0_is_the_lowest_of_the_first_byte():
    bitmap = Bitmap(16)
    bitmap.set(0)
    bitmap.set(15)
    assert bytes(bitmap.data) == b"\x01\x80"
