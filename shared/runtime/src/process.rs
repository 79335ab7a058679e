//! What every function does around its own work.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use pillarbox_aws::{AwsEnvironment, Clients};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::env::Env;
use crate::telemetry::{self, Level};

/// What every function is told by its environment, whatever else it needs.
pub struct Process {
    aws: AwsEnvironment,
    log_level: Level,
}

impl Process {
    /// Reads the variables that Lambda itself sets, and `LOG_LEVEL`.
    pub fn read(env: &mut Env) -> Option<Self> {
        let aws = env.aws();
        let log_level = env.required("LOG_LEVEL");
        Some(Self {
            aws: aws?,
            log_level: log_level?,
        })
    }

    /// Begins to log, and makes what clients are made of.
    pub fn start(self) -> Clients {
        telemetry::init(self.log_level);
        Clients::new(self.aws)
    }
}

/// Answers invocations, one after the other, until Lambda ends the process.
pub async fn serve<In, Out>(handle: impl AsyncFn(In) -> Result<Out, Error>) -> Result<(), Error>
where
    In: DeserializeOwned,
    Out: Serialize,
{
    // On the heap, because a handler's future holds those of the SDK's calls, and those nest deeper than the
    // compiler's default depth for working out one layout.
    let handle = &handle;
    let answer = |event: LambdaEvent<In>| Box::pin(handle(event.payload));
    run(service_fn(answer)).await
}
