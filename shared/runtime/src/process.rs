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
        let region = env.required("AWS_REGION");
        let access_key_id = env.required("AWS_ACCESS_KEY_ID");
        let secret_access_key = env.required("AWS_SECRET_ACCESS_KEY");
        let log_level = env.required("LOG_LEVEL");
        let aws = AwsEnvironment {
            region: region?,
            access_key_id: access_key_id?,
            secret_access_key: secret_access_key?,
            session_token: env.optional("AWS_SESSION_TOKEN"),
            endpoint_url: env.optional("AWS_ENDPOINT_URL"),
        };
        Some(Self {
            aws,
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
    // A handler's future holds those of the SDK's calls, nested deeper than the compiler follows them
    // through this one's layout. On the heap it is one pointer.
    let handle = &handle;
    let answer = |event: LambdaEvent<In>| Box::pin(handle(event.payload));
    run(service_fn(answer)).await
}
