//! `pillarbox health`

use serde_json::Value;

use crate::arguments::Global;
use crate::error::Error;

pub async fn run(global: &Global) -> Result<(), Error> {
    let client = global.client_without_key()?;
    let answer = client.get(&["v1", "health"]).await?;
    let health: Value = client.read(&answer)?;
    global.output().print(&health, |health| {
        let status = health["status"].as_str().unwrap_or("ok");
        format!("{status}: the bus at {} answers", client.address())
    })
}
