"""What programs would take to compile without the cache decides whether other layouts are tried."""

import jax

from paramjax.populations._compiler_options import seconds_saved


def test_what_the_cache_saved_counts_as_compiled():
    before = seconds_saved()
    # as JAX tells of a program that it found, of which it kept whole seconds
    event = "/jax/compilation_cache/compile_time_saved_sec"
    jax.monitoring.record_event_duration_secs(event, 2.0)
    jax.monitoring.record_event_duration_secs("/another", 2.0)
    assert seconds_saved() - before == 2.5
