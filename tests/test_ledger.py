import dataclasses

from initium._ledger import Entry, Ledger

RULE = "gpt2: role=weight -> normal(std=0.02)"


def ledger():
    return Ledger(
        seed=7,
        entries=(
            Entry(path="wte.weight", num_elements=5000, start="normal(std=0.02)", rule=RULE, tied=("lm_head.weight",)),
            Entry(path="h.0.weight", num_elements=400, start="normal(std=0.02)", rule=RULE),
            Entry(path="h.0.bias", num_elements=1, start="zeros", rule="gpt2: role=bias -> zeros"),
            Entry(path="ln.weight", num_elements=20, start="framework", how="kept"),
        ),
    )


def test_a_ledger_tells_what_was_filled_tied_and_left_and_by_which_rule():
    assert str(ledger()) == (
        "Filled 3 of 4 parameters, 5,401 of 5,421 elements, seed 7.\n"
        "\n"
        "rule                                   parameters  elements\n"
        "-----------------------------------------------------------\n"
        "gpt2: role=weight -> normal(std=0.02)           2     5,400\n"
        "gpt2: role=bias -> zeros                        1         1\n"
        "\n"
        "Tied:\n"
        "  lm_head.weight is wte.weight\n"
        "Left as built:\n"
        "  ln.weight"
    )


def test_a_ledger_tells_which_buffers_were_computed():
    buffers = tuple(f"norms.{n}.running_mean" for n in range(42))
    assert str(dataclasses.replace(ledger(), buffers=buffers)).splitlines()[-7:] == [
        "Computed 42 buffers:",
        "  norms.0.running_mean",
        "  norms.1.running_mean",
        "  norms.2.running_mean",
        "  norms.3.running_mean",
        "  norms.4.running_mean",
        "  ... and 37 more",
    ]


def test_a_ledger_is_data():
    made = ledger()
    assert [entry.path for entry in made.filled] == ["wte.weight", "h.0.weight", "h.0.bias"]
    assert [entry.path for entry in made.left] == ["ln.weight"]
    assert made.tied == {"lm_head.weight": "wte.weight"}
    assert {rule: len(entries) for rule, entries in made.by_rule.items()} == {RULE: 2, "gpt2: role=bias -> zeros": 1}


def test_a_long_ledger_is_cut_and_wrapped_to_eighty_columns():
    rule = "your rule " + "decoder.layers.*.self_attn.q_proj.weight " * 3 + "-> normal(std=0.02)"
    entries = [Entry(path=f"norms.{n}.weight", num_elements=8, start="framework", how="kept") for n in range(42)]
    entries += [Entry(path="q.weight", num_elements=64, start="normal(std=0.02)", rule=rule)]
    lines = str(Ledger(seed=0, entries=tuple(entries))).splitlines()
    assert lines[0] == "Filled 1 of 43 parameters, 64 of 400 elements, seed 0."
    assert lines[-2:] == ["  norms.4.weight", "  ... and 37 more"]
    assert max(map(len, lines)) <= 80


def test_a_ledger_of_nothing_prints():
    assert str(Ledger(seed=0, entries=())) == "Filled 0 of 0 parameters, 0 of 0 elements, seed 0."
