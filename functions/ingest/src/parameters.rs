//! What a publish is asked for beside its events.

use pillarbox_domain::logged_event::OutboxMode;
use pillarbox_runtime::http::{FieldError, Problem, Request};

/// The query parameters of a publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// `atomic=true`: all events of the batch, or none.
    pub(crate) atomic: bool,
    /// `outbox=none`: logged, not dispatched.
    pub(crate) outbox: OutboxMode,
}

impl Parameters {
    /// Reads them. One that a caller counts on must not be passed over, so any other is refused.
    pub(crate) fn of(request: &Request) -> Result<Self, Problem> {
        let query = request.raw_query_string.as_deref().unwrap_or_default();
        let mut parameters = Self::default();
        let mut errors = vec![];
        let mut seen = vec![];
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let read = if seen.contains(&name) {
                Err("is given twice")
            } else {
                parameters.set(name, value)
            };
            seen.push(name);
            errors.extend(read.err().map(|detail| FieldError {
                field: name.to_owned(),
                detail: detail.to_owned(),
            }));
        }
        if errors.is_empty() {
            Ok(parameters)
        } else {
            Err(Problem::invalid(errors))
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        match (name, value) {
            ("atomic", "true") => self.atomic = true,
            ("atomic", "false") => self.atomic = false,
            ("atomic", _) => return Err("must be true or false"),
            ("outbox", "none") => self.outbox = OutboxMode::None,
            ("outbox", _) => return Err("must be none, or be left out"),
            _ => return Err("is not a parameter of this call"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Parameters, Problem> {
        let mut request = Request::default();
        request.raw_query_string = Some(query.to_owned());
        Parameters::of(&request)
    }

    #[test]
    fn what_is_asked_for_is_read() {
        assert_eq!(read(""), Ok(Parameters::default()));
        assert_eq!(read("atomic=false"), Ok(Parameters::default()));
        let both = Parameters {
            atomic: true,
            outbox: OutboxMode::None,
        };
        assert_eq!(read("outbox=none&atomic=true"), Ok(both));
    }

    #[test]
    fn anything_else_is_refused() {
        let cases = [
            "atomic",
            "atomic=yes",
            "outbox=all",
            "async=true",
            "atomic=true&atomic=true",
            "=",
        ];
        for query in cases {
            assert_eq!(read(query).map_err(|it| it.status()), Err(400), "{query}");
        }
    }
}
