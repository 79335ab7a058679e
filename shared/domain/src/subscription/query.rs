//! A list of subscriptions that is asked for, page by page.

use data_encoding::BASE64URL_NOPAD;

use super::SubscriptionId;
use crate::limits::DEFAULT_PAGE_EVENTS;
use crate::page_cursor::InvalidCursor;
use crate::query_parameters::{BadParameter, Parameters, limit};
use crate::tenant::TenantId;

/// Which of an owner's subscriptions are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionQuery {
    /// How many at the most.
    pub limit: usize,
    /// The last one of the page before.
    pub after: Option<SubscriptionId>,
}

impl SubscriptionQuery {
    /// The parameters that there are.
    pub const PARAMETERS: [&str; 2] = ["limit", "cursor"];

    /// Reads an owner's query.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn parse(
        owner: &TenantId,
        parameters: &[(String, String)],
    ) -> Result<Self, Vec<BadParameter>> {
        let mut read = Parameters::of(parameters, &Self::PARAMETERS);
        let limit = read.parsed("limit", limit).unwrap_or(DEFAULT_PAGE_EVENTS);
        let after = read.parsed("cursor", |text| {
            read_cursor(owner, text).map_err(|error| error.to_string())
        });
        read.finish(Self { limit, after })
    }

    /// The cursor of the page after this subscription: whose it is and its id, base64url.
    ///
    /// It is no secret and no proof: whoever makes one up finds another place in their own list.
    pub fn cursor(&self, owner: &TenantId, last: &SubscriptionId) -> String {
        BASE64URL_NOPAD.encode(format!("{owner}#{last}").as_bytes())
    }
}

fn read_cursor(owner: &TenantId, text: &str) -> Result<SubscriptionId, InvalidCursor> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let id = text.as_deref().and_then(|text| {
        let (whose, id) = text.split_once('#')?;
        (whose == owner.as_str()).then_some(id)
    });
    id.and_then(|id| id.parse().ok()).ok_or(InvalidCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(owner: &str, parameters: &[(&str, &str)]) -> Result<SubscriptionQuery, Vec<String>> {
        let owned: Vec<_> = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let names =
            |faults: Vec<BadParameter>| faults.into_iter().map(|fault| fault.name).collect();
        SubscriptionQuery::parse(&owner.parse().unwrap(), &owned).map_err(names)
    }

    #[test]
    fn a_cursor_leads_on_and_belongs_to_its_owner() {
        let first = parse("demo", &[]).unwrap();
        assert_eq!((first.limit, &first.after), (DEFAULT_PAGE_EVENTS, &None));
        let last: SubscriptionId = "orders".parse().unwrap();
        let cursor = first.cursor(&"demo".parse().unwrap(), &last);
        let next = parse("demo", &[("limit", "1"), ("cursor", &cursor)]).unwrap();
        assert_eq!((next.limit, next.after), (1, Some(last)));
        assert_eq!(
            parse("other", &[("cursor", &cursor)]),
            Err(vec!["cursor".to_owned()])
        );
    }

    #[test]
    fn what_is_no_query_is_told_by_its_parameter() {
        for (name, value) in [
            ("limit", "0"),
            ("limit", "101"),
            ("limit", "x"),
            ("cursor", ""),
            ("cursor", "!"),
            ("cursor", "ZGVtbyM"),
            ("state", "ACTIVE"),
        ] {
            assert_eq!(
                parse("demo", &[(name, value)]),
                Err(vec![name.to_owned()]),
                "{value}"
            );
        }
    }
}
