//! `/v1/dispatch`: dispatch as a whole, for administrators.

use aws_lambda_events::http::StatusCode;
use pillarbox_domain::credential::Scope;
use pillarbox_domain::dispatch_switch::{DispatchSwitch, SwitchState};
use pillarbox_runtime::http::{Caller, Problem, Request, Response, json};
use serde_json::json as object;

/// `GET /v1/dispatch`
pub(crate) async fn show<W: DispatchSwitch>(
    switch: &W,
    request: &Request,
) -> Result<Response, Problem> {
    Caller::of(request)?.require(Scope::Admin)?;
    Ok(shown(switch.state().await?))
}

/// `POST /v1/dispatch/pause` and `POST /v1/dispatch/resume`
pub(crate) async fn set<W: DispatchSwitch>(
    switch: &W,
    request: &Request,
    on: bool,
) -> Result<Response, Problem> {
    let caller = Caller::of(request)?;
    caller.require(Scope::Admin)?;
    let state = switch.switch(on).await?;
    tracing::warn!(on, state = state.name(), "dispatch.switched");
    Ok(shown(state))
}

fn shown(state: SwitchState) -> Response {
    json(StatusCode::OK, &object!({ "state": state.name() }))
}
