from paramjax.runs._chunks import ChunkSizing


def run(sizing, seconds_a_step, overhead, chunks):
    for _ in range(chunks):
        sizing.measured(sizing.steps, sizing.steps * seconds_a_step + overhead)
    return sizing.steps


def test_small_steps_are_taken_together_until_the_host_hardly_counts():
    steps = run(ChunkSizing(), 2e-6, 1e-3, 30)
    assert 1e-3 / (steps * 2e-6) < 0.02


def test_slow_steps_are_taken_one_by_one():
    assert run(ChunkSizing(), 3.0, 1e-3, 5) == 1


def test_the_first_chunks_are_short_so_that_something_is_seen_early():
    sizing = ChunkSizing()
    sizing.measured(1, 30.0)  # the compilation
    sizing.measured(1, 1e-6)
    assert sizing.steps <= 8


def test_a_slower_phase_shortens_the_chunks():
    sizing = ChunkSizing()
    fast = run(sizing, 1e-4, 0.0, 10)
    assert run(sizing, 1e-2, 0.0, 2) < fast / 50
