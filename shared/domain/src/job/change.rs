//! The steps of a job's life.

use std::time::Duration;

use time::UtcDateTime;

use super::{ChangeJob, Job, JobState};
use crate::clock::whole_millis;

/// How long a job that is over is kept.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Workers of one job, at the most.
pub const MAX_WORKERS: usize = 10;

/// Events a second up to which one worker keeps a job's speed with ease; each further worker of a slow job would
/// only wait.
const SPEED_OF_A_WORKER: u32 = 500;

impl ChangeJob {
    /// The job after this step; `None` when its state does not allow it.
    pub fn of(&self, job: &Job, now: UtcDateTime) -> Option<Job> {
        let state = self.state(job)?;
        let over_at = state.is_over().then(|| whole_millis(now));
        Some(Job {
            state,
            reason: match self {
                Self::Pause(reason) => reason.clone(),
                _ => None,
            },
            finished_at: over_at,
            expires_at: over_at.map(|at| whole_seconds(at.saturating_add(kept()))),
            ..job.clone()
        })
    }

    /// The state after this step, if the job's state allows it.
    fn state(&self, job: &Job) -> Option<JobState> {
        use JobState::{Cancelled, Completed, Paused, Planning, Running};
        match (self, job.state) {
            (Self::Pause(_), Planning | Running) => Some(Paused),
            (Self::Resume, Paused) => Some(job.resumed()),
            (Self::Cancel, Planning | Running | Paused) => Some(Cancelled),
            (Self::Planned, Planning) if job.plan.is_whole => Some(job.planned()),
            (Self::Complete, Running) if job.is_worked_off() => Some(Completed),
            _ => None,
        }
    }

    /// Whether a job is as this step leaves it: then it was made, though its answer may have been lost.
    pub fn is_made_in(&self, job: &Job) -> bool {
        use JobState::{Cancelled, Completed, Counted, Paused, Planning, Running};
        match self {
            Self::Pause(_) => job.state == Paused,
            Self::Resume => matches!(job.state, Planning | Running),
            Self::Cancel => job.state == Cancelled,
            Self::Planned => matches!(job.state, Running | Completed | Counted),
            Self::Complete => job.state == Completed,
        }
    }
}

impl Job {
    /// Whether every unit of the plan is done.
    pub fn is_worked_off(&self) -> bool {
        self.plan.is_whole && self.plan.units_done >= self.plan.units
    }

    /// Workers that it can use: no more than it has units, and few when it is to be slow.
    pub fn workers(&self) -> usize {
        let units = usize::try_from(self.plan.units).unwrap_or(usize::MAX);
        let most = workers_of(self.spec.max_events_per_second);
        // One plans it.
        units.min(most).clamp(1, MAX_WORKERS)
    }

    /// What a job is whose plan is whole.
    fn planned(&self) -> JobState {
        match (self.spec.dry_run, self.plan.units) {
            (true, _) => JobState::Counted,
            (false, 0) => JobState::Completed,
            (false, _) => JobState::Running,
        }
    }

    /// What a paused job goes on as. Where its plan was whole and nobody had said so yet, that is said anew.
    fn resumed(&self) -> JobState {
        match self.plan.is_whole && self.planned() == JobState::Running {
            true => JobState::Running,
            false => JobState::Planning,
        }
    }
}

/// Workers of a job of this speed, however many units it has.
pub(super) fn workers_of(max_events_per_second: Option<u32>) -> usize {
    let of_speed = |speed: u32| usize::try_from(speed.div_ceil(SPEED_OF_A_WORKER)).ok();
    let workers = max_events_per_second.and_then(of_speed);
    workers.unwrap_or(MAX_WORKERS).clamp(1, MAX_WORKERS)
}

fn kept() -> time::Duration {
    time::Duration::try_from(KEPT).unwrap_or_default()
}

/// As a store keeps an expiry.
fn whole_seconds(time: UtcDateTime) -> UtcDateTime {
    time - time::Duration::nanoseconds(time.nanosecond().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_id::EventId;
    use crate::job::{Counts, JobId, JobSpec, Plan, ReplayFilter, Target, Work};
    use crate::log_hour::IdRange;
    use time::macros::utc_datetime;

    const NOW: UtcDateTime = utc_datetime!(2026-11-23 12:00:00.123456);

    fn job(state: JobState, plan: Plan) -> Job {
        let id: EventId = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
        Job {
            tenant: "demo".parse().unwrap(),
            id: JobId::new(id),
            spec: JobSpec {
                work: Work::Replay {
                    filter: ReplayFilter::default(),
                    target: Target::All,
                },
                range: IdRange::ALL,
                max_events_per_second: None,
                ramp: None,
                dry_run: false,
                schedule: None,
            },
            state,
            reason: None,
            plan,
            done: Counts::default(),
            created_at: NOW,
            started_at: None,
            finished_at: None,
            expires_at: None,
        }
    }

    fn whole(units: u32, units_done: u32) -> Plan {
        Plan {
            is_whole: true,
            units,
            units_done,
            ..Plan::default()
        }
    }

    #[test]
    fn a_step_is_made_in_some_states_only() {
        use JobState::{Cancelled, Completed, Counted, Paused, Planning, Running};
        let begun = Plan::default;
        let all = [Planning, Running, Paused, Completed, Cancelled, Counted];
        let cases = [
            (
                ChangeJob::Pause(None),
                begun(),
                vec![(Planning, Paused), (Running, Paused)],
            ),
            (ChangeJob::Resume, begun(), vec![(Paused, Planning)]),
            (ChangeJob::Resume, whole(2, 1), vec![(Paused, Running)]),
            (
                ChangeJob::Cancel,
                whole(2, 1),
                vec![
                    (Planning, Cancelled),
                    (Running, Cancelled),
                    (Paused, Cancelled),
                ],
            ),
            (ChangeJob::Planned, begun(), vec![]),
            (ChangeJob::Planned, whole(2, 0), vec![(Planning, Running)]),
            (ChangeJob::Planned, whole(0, 0), vec![(Planning, Completed)]),
            (ChangeJob::Complete, whole(2, 1), vec![]),
            (ChangeJob::Complete, whole(2, 2), vec![(Running, Completed)]),
        ];
        for (change, plan, allowed) in cases {
            for state in all {
                let changed = change.of(&job(state, plan.clone()), NOW);
                let expected = allowed.iter().find(|(from, _)| *from == state);
                let found = changed.as_ref().map(|job| job.state);
                assert_eq!(found, expected.map(|(_, to)| *to), "{change:?} {state:?}");
                if let Some(changed) = changed {
                    assert!(change.is_made_in(&changed), "{change:?} {state:?}");
                    assert_eq!(changed.finished_at.is_some(), changed.state.is_over());
                    assert_eq!(changed.expires_at.is_some(), changed.state.is_over());
                }
            }
        }
    }

    #[test]
    fn a_dry_run_is_counted_also_when_it_was_paused_before_that_was_said() {
        let mut dry = job(JobState::Planning, whole(2, 0));
        dry.spec.dry_run = true;
        let paused = ChangeJob::Pause(None).of(&dry, NOW).unwrap();
        let resumed = ChangeJob::Resume.of(&paused, NOW).unwrap();
        assert_eq!(resumed.state, JobState::Planning);
        let counted = ChangeJob::Planned.of(&resumed, NOW).unwrap();
        assert_eq!(counted.state, JobState::Counted);
        assert_eq!(
            counted.finished_at,
            Some(utc_datetime!(2026-11-23 12:00:00.123))
        );
        assert_eq!(counted.expires_at, Some(utc_datetime!(2026-12-23 12:00:00)));
    }

    #[test]
    fn a_reason_goes_when_the_job_goes_on() {
        let running = job(JobState::Running, whole(2, 1));
        let gone = ChangeJob::Pause(Some("the queue is gone".to_owned()));
        let paused = gone.of(&running, NOW).unwrap();
        assert_eq!(paused.reason.as_deref(), Some("the queue is gone"));
        assert_eq!(ChangeJob::Resume.of(&paused, NOW).unwrap().reason, None);
    }

    #[test]
    fn a_job_has_workers_for_its_units_and_for_its_speed() {
        for (units, speed, workers) in [
            (0, None, 1),
            (1, None, 1),
            (7, None, 7),
            (5_000, None, MAX_WORKERS),
            (5_000, Some(1), 1),
            (5_000, Some(501), 2),
            (5_000, Some(u32::MAX), MAX_WORKERS),
        ] {
            let mut job = job(JobState::Running, whole(units, 0));
            job.spec.max_events_per_second = speed;
            assert_eq!(job.workers(), workers, "{units} {speed:?}");
        }
    }
}
