//! The alarms of `infra/observability.yaml` on the local engine's CloudWatch. It is coarser than AWS's (see
//! [`pillarbox_tests::cloudwatch::engine`]); that an alarm waits for as many periods as it says is held by the suite
//! `template`, in an evaluation of our own.

use pillarbox_domain::Clock;
use pillarbox_runtime::clock::SystemClock;
use pillarbox_tests::cloudwatch::Datapoint;
use pillarbox_tests::cloudwatch::alarm::{Alarm, State};
use pillarbox_tests::cloudwatch::engine::CloudWatch;
use pillarbox_tests::cloudwatch::made::{self, BUS, Made};
use pillarbox_tests::cloudwatch::trials;
use pillarbox_tests::fresh;

/// What a new alarm comes to when these numbers are put.
async fn state(cloudwatch: &CloudWatch, alarm: &Alarm, numbers: &[Datapoint]) -> Option<State> {
    let namespace = fresh("alarm");
    cloudwatch.put_alarm(alarm, &namespace).await;
    cloudwatch.put(numbers, &namespace).await;
    cloudwatch.state(&namespace).await
}

#[tokio::test]
async fn alarms_fire_on_the_engine_that_is_put_what_functions_log() {
    let cloudwatch = CloudWatch::of_process();
    let alarms = Alarm::all(&Made::of(&made::template(), &[]));
    let mut tried = 0;
    for alarm in alarms.iter().filter(|alarm| alarm.series.len() == 1) {
        let now = SystemClock::default().now().unix_timestamp();
        let mut trials = trials::all(now).into_iter();
        let trial = trials.find(|trial| alarm.name == format!("{BUS}-{}", trial.alarm));
        let trial = trial.unwrap_or_else(|| panic!("{} is never tried", alarm.name));
        let fires = trial.fires.iter().find(|run| !run.is_empty()).unwrap();
        let fired = state(&cloudwatch, alarm, fires).await;
        assert_eq!(fired, Some(State::Alarm), "{}: {fires:?}", alarm.name);
        for quiet in trial.quiet.iter().take(1) {
            let stayed = state(&cloudwatch, alarm, quiet).await;
            assert_ne!(stayed, Some(State::Alarm), "{}: {quiet:?}", alarm.name);
        }
        tried += 1;
    }
    assert!(tried >= 30, "{tried}");
}
