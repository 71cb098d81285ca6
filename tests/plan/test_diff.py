from dataclasses import replace

from graphs import gpt, weight

from initium import Plan, Rule, parse, plan
from initium._graph import Buffer, Graph, Made
from initium._rule import Decision

BEFORE = plan(gpt(), "he_normal")


def test_equal_plans_do_not_differ():
    assert not BEFORE.diff(plan(gpt(), "he_normal"))
    assert str(BEFORE.diff(BEFORE)) == "The plans are the same."


def test_changed_starts_and_reasons_are_folded():
    own = Decision(init=BEFORE.choices[-1].init, because="own")
    rules = [Rule("*.c_proj.weight", "zeros", because="starts as nothing"), Rule("ln_f.bias", own)]
    after = plan(gpt(), "he_normal", rules=rules)
    assert BEFORE.diff(after)
    assert str(BEFORE.diff(after)) == (
        """\
Another start: 3
  h.0-2.c_proj.weight
      he_normal -> zeros
The same start for another reason: 1
  ln_f.bias
      shift of a normalisation -> own"""
    )


def test_parameters_shapes_and_rates_that_differ_are_listed():
    first = plan(Graph((weight("0.w", (4, 2)), weight("1.w", (4, 2)), weight("a.w", (2, 2)))), "he_normal")
    rules = {"a.w": Decision(init=first.choices[0].init, because="multiplied and summed", lr=0.5)}
    second = plan(Graph((weight("a.w", (3, 2)), weight("b.w", (2, 2)))), "glorot_normal", rules=rules)
    found = first.diff(second)
    assert (found.only_before, found.only_after) == (("0.w", "1.w"), ("b.w",))
    assert found.shapes == (("a.w", (2, 2), (3, 2)),)
    assert str(found) == (
        """\
Recipe: he_normal -> glorot_normal
Only in the first plan: 2
  0-1.w
Only in the second plan: 1
  b.w
Another shape: 1
  a.w
      (2, 2) -> (3, 2)
Another learning rate: 1
  a.w
      1.0 -> 0.5"""
    )


def test_a_difference_reads_from_the_first_plan_to_the_second():
    one, two = Plan(BEFORE.choices[:1]), Plan(())
    assert str(one.diff(two)) == "Only in the first plan: 1\n  wte.weight"
    assert str(two.diff(one)) == "Only in the second plan: 1\n  wte.weight"


def test_what_changes_the_bits_alone_is_listed():
    first = plan(Graph((weight("a.w", (4, 2)), weight("b.w", (4, 2)), weight("c.w", (4, 2)))), "normal")
    shared = Decision(init=parse("normal"), because="multiplied and summed", draws_as="a.w")
    turned = Graph((weight("a.w", (4, 2), dtype="bfloat16"), weight("b.w", (4, 2), axes="io"), weight("c.w", (4, 2))))
    found = first.diff(plan(turned, "normal", rules={"c.w": shared}))
    assert str(found) == (
        """\
Another dtype: 1
  a.w
      float32 -> bfloat16
The same start drawn as other numbers: 2
  b.w
      b.w by axes (0, 1) -> b.w by axes (1, 0)
  c.w
      c.w by axes (0, 1) -> a.w by axes (0, 1)"""
    )


def test_other_fans_behind_the_same_start_and_other_ties_are_listed():
    first = plan(Graph((weight("a.w", (12, 4)), weight("b.w", (4, 4), tied=("c.w",)))), "glorot_uniform")
    packed = Graph((weight("a.w", (12, 4), blocks=3), weight("b.w", (4, 4))))
    assert str(first.diff(plan(packed, "glorot_uniform"))) == (
        """\
The same start with other numbers: 1
  a.w
      Uniform(low=-0.6123724356957946, high=0.6123724356957946) ->
      Uniform(low=-0.8660254037844386, high=0.8660254037844386)
Other names beside its own: 1
  b.w
      c.w -> none"""
    )
    one, other = (plan(graph, "orthogonal") for graph in (Graph((weight("a.w", (12, 4)),)), Graph(packed.params[:1])))
    assert not one.diff(one)
    assert one.diff(other).laws == (
        ("a.w", 'axes "oi", groups 1, stride 1, blocks 1', 'axes "oi", groups 1, stride 1, blocks 3'),
    )


def test_buffers_that_differ_are_listed():
    mean = Buffer(path="mean", shape=(4,), dtype="float32", made=Made(init=parse("zeros"), because="zeros"))
    count = Buffer(path="count", shape=(), dtype="int64")
    assert str(Plan((), buffers=(mean,)).diff(Plan((), buffers=(count,)))) == (
        """\
Another buffer: 2
  mean
      float32 (4,) zeros -> none
  count
      none -> int64 () not known"""
    )


def test_who_decided_and_what_is_drawn_anew_are_listed():
    first = plan(Graph((weight("a.w", (4, 2)),)), "zeros")
    other = replace(first, choices=(replace(first.choices[0], by="author"),), remakes=True)
    assert str(first.diff(other)) == (
        """\
Recipe: zeros -> zeros, what is there drawn anew
Somebody else decided: 1
  a.w
      recipe -> author"""
    )
