//! Which dead letters are meant.

use clap::Args;

use crate::pages::{self, Query};

#[derive(Debug, Args)]
#[group(id = "filter", multiple = true)]
pub struct FilterArgs {
    /// Event type, or the beginning of one and a `*`
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Subscription that they failed at
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    /// Class of the error
    #[arg(long, value_name = "CLASS")]
    error_class: Option<String>,
    /// Text in the error's message, in any case
    #[arg(long)]
    text: Option<String>,
    /// Those of one event
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    /// Dead at this time (RFC 3339) or later
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Dead before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
}

impl FilterArgs {
    pub fn query(&self) -> Query {
        self.query_until(self.to.as_deref())
    }

    /// The same, but for `to`.
    pub fn query_until(&self, to: Option<&str>) -> Query {
        pages::query([
            ("type", self.event_type.as_deref()),
            ("subscription", self.subscription.as_deref()),
            ("error_class", self.error_class.as_deref()),
            ("text", self.text.as_deref()),
            ("event_id", self.event_id.as_deref()),
            ("from", self.from.as_deref()),
            ("to", to),
        ])
    }
}
