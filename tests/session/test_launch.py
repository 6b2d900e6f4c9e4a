"""Shell and app side by side: the plan, turns, a fallback of each, trials that are run again."""

from collections.abc import Callable

import msgspec
import pytest

from bokehbench.analysis.baseline import Baseline, with_records
from bokehbench.analysis.compare import Unlike, compare_records
from bokehbench.analysis.history import history
from bokehbench.derive import derive
from bokehbench.errors import UsageError
from bokehbench.facts import AppReport, Evidence, Failure, MeasurementProtocol, Trial, TrialSpec
from bokehbench.facts.trial import FailureKind
from bokehbench.report import build_table
from bokehbench.schedule import LaunchRequest, Plan, Settings, make_plan, reference_group
from bokehbench.schedule.next import MAX_DISTURBED
from bokehbench.session.resume import check_plan
from tests.session.test_schedule import PROFILE, PROVEN, SHAPE, play
from tests.support.evidence import make_evidence, make_record

LAUNCHES: tuple[LaunchRequest, ...] = ("shell", "app", "both")


def plan_of(launch: LaunchRequest, backend: str = "xnnpack", processes: int = 4) -> Plan:
    protocol = MeasurementProtocol(
        name="t", processes=processes, warmups=1, runs=2, min_runs=1, max_seconds=10, order="abba"
    )
    settings = Settings(backend, "default", 1, 0, protocol, 0, launch=launch)  # type: ignore[arg-type]
    names = iter("abcdefgh")
    return make_plan(settings, PROFILE, "GPU", [SHAPE], {0: ()}, {}, lambda: next(names))


def launches_of(plan: Plan, specs: list[TrialSpec]) -> str:
    known = {record.record_id: record.launch for record in plan.records}
    return "".join(known[spec.record_id][0] for spec in specs)


@pytest.mark.parametrize("launch", LAUNCHES)
def test_who_is_asked_for_runs(launch: LaunchRequest) -> None:
    plan = plan_of(launch)
    found = launches_of(plan, play(plan, lambda _: None))
    assert found == {"shell": "ssss", "app": "aaaa", "both": "saassaas"}[launch]


def test_shell_and_app_have_references_of_their_own() -> None:
    groups = {reference_group(record) for record in plan_of("both").records}
    assert len(groups) == 2


def test_each_falls_back_by_itself() -> None:
    plan = plan_of("both", "auto", processes=1)
    by_id = {record.record_id: record for record in plan.records}

    def app_has_no_gpu(spec: TrialSpec) -> FailureKind | None:
        record = by_id[spec.record_id]
        return "op_unsupported" if (record.launch, record.backend) == ("app", "gpu") else None

    ran = {
        (by_id[s.record_id].launch, by_id[s.record_id].backend)
        for s in play(plan, app_has_no_gpu, report=PROVEN)
    }
    assert ran == {("shell", "gpu"), ("app", "gpu"), ("app", "xnnpack")}


def test_a_disturbed_trial_is_run_again_and_not_for_ever() -> None:
    plan = plan_of("app", processes=3)
    once = play(plan, lambda s: "disturbed" if s.index == 1 else None)
    assert [spec.index for spec in once] == [0, 1, 2, 3]
    for_ever = play(plan, lambda _: "disturbed")
    assert len(for_ever) == MAX_DISTURBED + 1


def with_trials(evidence: Evidence, change: Callable[[int, Trial], Trial]) -> Evidence:
    trials = tuple(change(number, trial) for number, trial in enumerate(evidence.trials))
    return msgspec.structs.replace(evidence, launch="app", trials=trials)


def test_a_disturbed_trial_makes_its_record_provisional() -> None:
    evidence = make_evidence()

    def disturb(number: int, trial: Trial) -> Trial:
        if number:
            return trial
        return msgspec.structs.replace(
            trial,
            status="failed",
            invoke_ns=(),
            failure=Failure(kind="disturbed", message="not in front"),
            app=AppReport(pid=1, uid=2, api_level=34, changes=("paused",), in_front=False),
        )

    before = {f.code for f in derive(with_trials(evidence, lambda _, t: t)).findings}
    assert "app_disturbed" not in before
    derived = derive(with_trials(evidence, disturb))
    [finding] = [f for f in derived.findings if f.code == "app_disturbed"]
    assert finding.effect == "provisional"
    assert finding.message.startswith(f"1 of {len(evidence.trials)} processes were discarded")
    assert "paused" in finding.message
    assert derived.status != "ranked"


def test_how_a_process_was_started_is_part_of_what_a_record_is() -> None:
    shell = make_record(make_evidence())
    evidence = msgspec.structs.replace(shell.evidence, record_id="other", launch="app")
    app = msgspec.structs.replace(shell, evidence=evidence)
    with pytest.raises(Unlike) as unlike:
        compare_records(shell, app)
    assert set(unlike.value.keys) == {"launch"}
    assert len(with_records(Baseline(), [shell, app]).entries) == 2
    assert with_records(Baseline(), [shell]).find(app) is None
    rows = history([shell, app])
    assert sorted(row.launch for row in rows) == sorted([shell.evidence.launch, "app"])
    assert all(row.changed == () for row in rows)
    names = [row[0].text for row in build_table([shell, app]).rows]
    assert len(names) == 2
    assert sum("in an app" in name for name in names) == 1


def test_a_run_of_before_there_was_an_app_can_go_on() -> None:
    plan = plan_of("shell")
    [record] = plan.records

    class Stub:
        """All that the check looks at."""

        def __init__(self, plan: Plan) -> None:
            self.plan = plan

    stored = {"records": [[record.record_id, 0, "xnnpack", "litert", "default"]]}
    check_plan(Stub(plan), stored, "run")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="what would be measured"):
        check_plan(Stub(plan_of("app")), stored, "run")  # type: ignore[arg-type]
