//! `/v1/dead-letters`: what failed for good, and the way back.

mod line;

use aws_lambda_events::http::StatusCode;
use pillarbox_aws::{Clients, DynamoLetters, DynamoRegistry, S3Payloads, SqsDeliveryQueues};
use pillarbox_domain::credential::Scope;
use pillarbox_domain::dispatch::{DeliveryQueues, Refusal};
use pillarbox_domain::letters::{
    Change, Changed, DeadLetter, DeadLetterId, Discard, LetterList, LetterQuery, LetterReader,
    LetterStore, NotRedriven, RedriveError, Redriven, Redriver, Shown, ShownWhole,
};
use pillarbox_domain::limits::{MAX_DISCARD_REASON_CHARS, MAX_REDRIVES};
use pillarbox_domain::registry::SubscriptionRegistry;
use pillarbox_domain::schema::delivery::{Upcasting, Upcasts};
use pillarbox_domain::{Clock, ErrorChain, StoreError, TenantId};
use pillarbox_runtime::clock::SystemClock;
use pillarbox_runtime::http::{
    Caller, FieldError, Problem, Request, Response, json, query_parameters,
};
use serde::{Deserialize, Serialize};

use crate::config::Names;
use crate::events::refused;
use crate::requests;

/// What dead letters are read, redriven and discarded with.
pub(crate) struct DeadLetters<D, Q, U, C> {
    /// Where they are kept.
    pub(crate) letters: D,
    /// Where a redrive sends.
    pub(crate) queues: Q,
    /// What brings old events up to the version that a subscription asks for.
    pub(crate) upcasts: U,
    /// Names redrives; what has expired by its time is not shown.
    pub(crate) clock: C,
}

/// `POST /v1/dead-letters/redrive`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RedriveBody {
    dead_letter_ids: Vec<String>,
}

/// `POST /v1/dead-letters/{dead_letter_id}/discard`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiscardBody {
    reason: String,
}

/// A page as it is answered.
#[derive(Serialize)]
struct LetterPage<'a> {
    dead_letters: Vec<Shown<'a>>,
    total: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    total_is_at_least: bool,
    next_cursor: Option<String>,
}

/// What became of a list of letters.
#[derive(Serialize)]
struct RedriveResults {
    results: Vec<RedriveResult>,
    redriven: usize,
    refused: usize,
}

#[derive(Serialize)]
struct RedriveResult {
    dead_letter_id: DeadLetterId,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// Dead letters as they are deployed.
type AwsDeadLetters = DeadLetters<
    DynamoLetters<S3Payloads>,
    SqsDeliveryQueues,
    Upcasting<DynamoRegistry, SystemClock>,
    SystemClock,
>;

impl AwsDeadLetters {
    /// In the stack's table, and to its queues.
    pub(crate) fn on_aws(
        clients: &Clients,
        names: &Names,
        payloads: S3Payloads,
        registry: DynamoRegistry,
        clock: SystemClock,
    ) -> Self {
        let table = names.dead_letter_table.clone();
        Self {
            letters: DynamoLetters::new(clients.dynamodb(), table, payloads),
            queues: SqsDeliveryQueues::new(&clients.sqs()),
            upcasts: Upcasting::new(registry, clock.clone()),
            clock,
        }
    }
}

impl<D, Q, U, C> DeadLetters<D, Q, U, C>
where
    D: LetterStore + Sync,
    Q: DeliveryQueues + Sync,
    U: Upcasts + Sync,
    C: Clock + Sync,
{
    /// `GET /v1/dead-letters`
    pub(crate) async fn list(&self, request: &Request) -> Result<Response, Problem> {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Read)?;
        let query = LetterQuery::parse(tenant, &query_parameters(request)?).map_err(refused)?;
        let LetterList {
            letters,
            total,
            total_is_at_least,
            next_cursor,
        } = self.reader().list(tenant, &query).await?;
        let page = LetterPage {
            dead_letters: letters.iter().map(Shown).collect(),
            total,
            total_is_at_least,
            next_cursor,
        };
        Ok(json(StatusCode::OK, &page))
    }

    /// `GET /v1/dead-letters/{dead_letter_id}`
    pub(crate) async fn show(&self, request: &Request) -> Result<Response, Problem> {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Read)?;
        let id = named(request)?;
        let letter = self.letter(tenant, id).await?;
        let body = self.letters.body(&letter).await?;
        let whole = ShownWhole {
            letter: &letter,
            body: &body.ok_or_else(|| no_such_letter(id))?,
        };
        Ok(json(StatusCode::OK, &whole))
    }

    /// `POST /v1/dead-letters/{dead_letter_id}/redrive`
    pub(crate) async fn redrive<S>(
        &self,
        subscriptions: &S,
        request: &Request,
    ) -> Result<Response, Problem>
    where
        S: SubscriptionRegistry + Sync,
    {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Operate)?;
        let id = named(request)?;
        let redriven = self.redriver(subscriptions).redrive(tenant, id).await;
        line::redriven(tenant, id, &redriven);
        let redriven = redriven.map_err(|why| problem(id, why))?;
        Ok(json(StatusCode::OK, &Shown(&redriven.letter)))
    }

    /// `POST /v1/dead-letters/redrive`
    pub(crate) async fn redrive_all<S>(
        &self,
        subscriptions: &S,
        request: &Request,
    ) -> Result<Response, Problem>
    where
        S: SubscriptionRegistry + Sync,
    {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Operate)?;
        let ids = listed(request)?;
        let redriver = self.redriver(subscriptions);
        let answers = redriver.redrive_all(tenant, &ids).await;
        let told = ids.iter().zip(&answers);
        told.for_each(|(id, answer)| line::redriven(tenant, *id, answer));
        Ok(json(StatusCode::OK, &RedriveResults::of(ids, answers)))
    }

    /// `POST /v1/dead-letters/{dead_letter_id}/discard`
    pub(crate) async fn discard(&self, request: &Request) -> Result<Response, Problem> {
        let caller = Caller::of(request)?;
        let tenant = caller.require(Scope::Operate)?;
        let id = named(request)?;
        let now = self.clock.now();
        let discard = Discard::new(reason(request)?, now);
        self.letter(tenant, id).await?;
        let change = Change::Discard(discard);
        match self.letters.change(tenant, id, &change).await? {
            Changed::Done(letter) => Ok(json(StatusCode::OK, &Shown(&letter))),
            Changed::Refused(letter) => {
                let not_open = RedriveError::NotOpen(letter.state.name_at(now));
                Err(problem(id, not_open.into()))
            }
            Changed::Missing => Err(no_such_letter(id)),
        }
    }

    /// A letter as it counts now.
    async fn letter(&self, tenant: &TenantId, id: DeadLetterId) -> Result<DeadLetter, Problem> {
        let letter = self.letters.get(tenant, id).await?;
        let letter = letter.and_then(|letter| self.reader().shown(letter));
        letter.ok_or_else(|| no_such_letter(id))
    }

    fn reader(&self) -> LetterReader<'_, D> {
        LetterReader::new(&self.letters, self.clock.now())
    }

    fn redriver<'a, S>(&'a self, subscriptions: &'a S) -> Redriver<'a, D, S, Q, U, C> {
        Redriver {
            letters: &self.letters,
            subscriptions,
            queues: &self.queues,
            upcasts: &self.upcasts,
            clock: &self.clock,
        }
    }
}

impl RedriveResults {
    fn of(ids: Vec<DeadLetterId>, answers: Vec<Result<Redriven, NotRedriven>>) -> Self {
        let results = ids.into_iter().zip(answers);
        let results = results.map(|(dead_letter_id, answer)| {
            let problem = answer.err().map(|why| problem(dead_letter_id, why));
            RedriveResult {
                dead_letter_id,
                status: problem
                    .as_ref()
                    .map_or(StatusCode::OK.as_u16(), Problem::status),
                problem,
            }
        });
        let results: Vec<RedriveResult> = results.collect();
        let redriven = results.iter().filter(|result| result.problem.is_none());
        let redriven = redriven.count();
        Self {
            redriven,
            refused: results.len() - redriven,
            results,
        }
    }
}

/// The letter that the path names.
fn named(request: &Request) -> Result<DeadLetterId, Problem> {
    let named = request.path_parameters.get("dead_letter_id");
    let id = named.map(String::as_str).unwrap_or_default().parse();
    id.map_err(|error| Problem::invalid_field("dead_letter_id", error))
}

/// The letters that the body names.
fn listed(request: &Request) -> Result<Vec<DeadLetterId>, Problem> {
    let RedriveBody { dead_letter_ids } = requests::parse(request)?;
    if !(1..=MAX_REDRIVES).contains(&dead_letter_ids.len()) {
        let detail = format!(
            "must name 1 to {MAX_REDRIVES} dead letters, and names {}",
            dead_letter_ids.len()
        );
        return Err(Problem::invalid_field("dead_letter_ids", detail));
    }
    let mut errors = vec![];
    let mut ids = vec![];
    for (place, text) in dead_letter_ids.iter().enumerate() {
        match text.parse::<DeadLetterId>() {
            Ok(id) => ids.push(id),
            Err(error) => errors.push(FieldError {
                field: format!("dead_letter_ids[{place}]"),
                detail: error.to_string(),
            }),
        }
    }
    match errors.is_empty() {
        true => Ok(ids),
        false => Err(Problem::invalid(errors)),
    }
}

fn reason(request: &Request) -> Result<String, Problem> {
    let DiscardBody { reason } = requests::parse(request)?;
    match reason.chars().count() {
        1..=MAX_DISCARD_REASON_CHARS => Ok(reason),
        _ => Err(Problem::invalid_field(
            "reason",
            format!("must be 1 to {MAX_DISCARD_REASON_CHARS} characters"),
        )),
    }
}

fn no_such_letter(id: DeadLetterId) -> Problem {
    Problem::not_found(format!("There is no dead letter '{id}'."))
}

/// Why a letter is not redriven, or not discarded.
fn problem(id: DeadLetterId, why: NotRedriven) -> Problem {
    if let Some(error) = &why.still_held {
        tracing::warn!(dead_letter.id = %id, error = %ErrorChain(error), "dead_letter.still_held");
    }
    let told = format!("{}. The event is kept.", sentence(&why.error));
    match why.error {
        RedriveError::Missing(id) => no_such_letter(id),
        RedriveError::Refused(error) if error.refusal == Refusal::Transient => {
            Problem::unavailable(StoreError::RETRY_AFTER).with_detail(told)
        }
        RedriveError::Unavailable(error) => {
            tracing::error!(error = %ErrorChain(&error), "store.failed");
            Problem::unavailable(StoreError::RETRY_AFTER).with_detail(told)
        }
        RedriveError::NoDelivery
        | RedriveError::NotOpen(_)
        | RedriveError::NoSubscription(_)
        | RedriveError::Inactive(..)
        | RedriveError::Version(_)
        | RedriveError::Refused(_)
        | RedriveError::Late => Problem::conflict(told),
        RedriveError::Store(error) => error.into(),
    }
}

/// An error as a sentence begins.
fn sentence(error: &RedriveError) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
