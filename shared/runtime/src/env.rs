//! Configuration from environment variables, typed, with every bad variable named at once.

use std::fmt;
use std::str::FromStr;

use pillarbox_aws::AwsEnvironment;

/// Reads variables and collects what is wrong with them.
///
/// ```
/// # use pillarbox_runtime::env::Env;
/// let mut env = Env::of([("TABLE", "events"), ("LIMIT", "ten")]);
/// let table = env.required::<String>("TABLE");
/// let limit = env.required::<u32>("LIMIT");
/// let queue = env.required::<String>("QUEUE_URL");
/// let error = env.finish(|| Some((table?, limit?, queue?))).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "bad configuration: LIMIT invalid digit found in string; QUEUE_URL is not set"
/// );
/// ```
pub struct Env {
    lookup: Lookup,
    faults: Vec<String>,
}

type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// Variables that are missing or malformed. The function cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct BadConfiguration(Vec<String>);

impl fmt::Display for BadConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad configuration: {}", self.0.join("; "))
    }
}

impl Env {
    /// The variables of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn of_process() -> Self {
        Self {
            lookup: Box::new(|name| std::env::var(name).ok()),
            faults: Vec::new(),
        }
    }

    /// These variables, for tests.
    pub fn of<const N: usize>(variables: [(&'static str, &'static str); N]) -> Self {
        let lookup = move |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Self {
            lookup: Box::new(lookup),
            faults: Vec::new(),
        }
    }

    /// Where AWS is and who is asking: the variables that Lambda itself sets.
    pub fn aws(&mut self) -> Option<AwsEnvironment> {
        let region = self.required("AWS_REGION");
        let access_key_id = self.required("AWS_ACCESS_KEY_ID");
        let secret_access_key = self.required("AWS_SECRET_ACCESS_KEY");
        Some(AwsEnvironment {
            region: region?,
            access_key_id: access_key_id?,
            secret_access_key: secret_access_key?,
            session_token: self.optional("AWS_SESSION_TOKEN"),
            endpoint_url: self.optional("AWS_ENDPOINT_URL"),
        })
    }

    /// The text of a variable that may be missing or empty, which is the same.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|text| !text.is_empty())
    }

    /// The value of a variable that has to be there. `None` is remembered as a fault.
    pub fn required<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let Some(text) = self.optional(name) else {
            self.faults.push(format!("{name} is not set"));
            return None;
        };
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.faults.push(format!("{name} {error}"));
                None
            }
        }
    }

    /// The configuration that `build` makes of the values, or everything that is wrong with them.
    pub fn finish<C>(self, build: impl FnOnce() -> Option<C>) -> Result<C, BadConfiguration> {
        build()
            .filter(|_| self.faults.is_empty())
            .ok_or(BadConfiguration(self.faults))
    }
}
