//! Upcasters: a jq filter that makes data of one version out of data of the version before.
//!
//! **What it may use.** jq's language and the part of its standard library that follows from the input alone:
//! no clock, environment, files, further inputs or output, no regular expressions, no mathematics beyond the
//! operators and `floor`, `round`, `ceil`, `abs`. Anything else is unknown to the compiler, so that an upcaster
//! is refused when it is registered and not when it is needed.
//!
//! **What it has to do.** Give exactly one JSON value. An error, no output or more than one is a failure.
//!
//! **What it may cost.** [`Upcaster::run`] gives it [`BASE_STEPS`] and [`STEPS_PER_BYTE`] for each byte of data. A
//! step is one evaluation of a part of the filter, 16 bytes copied or compared, or one value put into a list or
//! an object; so the budget bounds the memory of values, too. A value is nested 127 levels at most, an integer
//! has 1,000 digits at most, and a filter that calls itself has a few megabytes of stack. The budget is not time:
//! the same filter on the same data always ends alike. What it does not bound is the memory that the interpreter
//! itself takes for a step, some hundred bytes while the step is under way.
//!
//! **Numbers.** A number that the filter passes on keeps every digit: `12.50` stays `12.50`, integers beyond 2^53
//! stay what they are. Integers are computed exactly, of any size; as soon as one side is not an integer, or
//! is divided, the result is a double.

mod meter;
mod natives;
mod value;

use std::io;
use std::thread;

use jaq_core::data::{DataT, HasLut};
use jaq_core::load::lex::{StrPart, Tok, Token};
use jaq_core::load::{Arena, File, Lexer, Loader};
use jaq_core::{Compiler, Ctx, Filter, Lut, Vars};

use self::meter::Stopped;
use self::value::Value;
use crate::limits::{MAX_EVENT_BYTES, MAX_UPCASTER_BYTES};

/// Steps that a filter has whatever its data.
pub const BASE_STEPS: u64 = 100_000;

/// Steps that a filter has for each byte of its data.
pub const STEPS_PER_BYTE: u64 = 4;

/// Bytes of stack of the thread that compiles or runs a filter. A filter is nested as deep as its text allows,
/// and what it built is dropped level by level. Only what is used of it is ever memory. Twice the budget was
/// tried on it; unoptimized code needs more.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 512 } else { 128 } * 1024 * 1024;

/// Words, signs and literals of a filter. The parser goes as deep as there are, and its stack has an end.
pub const MAX_TOKENS: usize = 4_000;

/// What is said of `import` and its like.
const NO_MODULES: &str = "modules cannot be loaded";

/// Characters of a message that comes from a filter, which may hold what it works on.
const MAX_MESSAGE_CHARS: usize = 200;

/// A compiled filter.
pub struct Upcaster(Filter<Metered>);

/// A text is not an upcaster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUpcaster {
    /// It is too long.
    #[error("must be {MAX_UPCASTER_BYTES} bytes at most, and has {0}")]
    TooLong(usize),
    /// It has too many words and signs.
    #[error("must be {MAX_TOKENS} words and signs at most, and has {0}")]
    TooManyTokens(usize),
    /// It does not compile.
    #[error("is not a jq filter that can be used here: {problem} at line {line}, column {column}")]
    Malformed {
        /// What is wrong.
        problem: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
    },
    /// The compiler itself failed.
    #[error("cannot be compiled")]
    Uncompilable,
}

/// Data could not be brought up. The same data will fail again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpcasterFailure {
    /// The filter ended in an error.
    #[error("it failed: {0}")]
    Error(String),
    /// The filter gave nothing.
    #[error("it gave no output")]
    NoOutput,
    /// The filter gave several values.
    #[error("it gave more than one output")]
    SeveralOutputs,
    /// What it gave is not JSON: a number that is none, for instance.
    #[error("its output is not JSON: {0}")]
    NotJson(String),
    /// It does more than its data are worth.
    #[error("it did not end within {BASE_STEPS} steps and {STEPS_PER_BYTE} for each byte of data")]
    TooMuchWork,
    /// It calls itself too deep.
    #[error("it calls itself too deep")]
    TooDeep,
    /// It makes a value that is nested too deep.
    #[error("it makes a value of more than {} levels", value::MAX_NESTING)]
    TooNested,
    /// It makes an integer that is too long.
    #[error("it makes an integer with too many digits")]
    TooManyDigits,
    /// The interpreter panicked.
    #[error("the interpreter failed")]
    Crashed,
}

/// Why there are no new data.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The filter and its data do not go together; see [`UpcasterFailure`].
    #[error(transparent)]
    Failed(#[from] UpcasterFailure),
    /// There is no thread to run it on. It can be tried again.
    #[error("no thread could be started")]
    NoThread(#[source] io::Error),
}

impl Upcaster {
    /// Compiles a filter, or tells where it is wrong.
    pub fn compile(text: &str) -> Result<Self, InvalidUpcaster> {
        if text.len() > MAX_UPCASTER_BYTES {
            return Err(InvalidUpcaster::TooLong(text.len()));
        }
        match on_own_stack(|| compile(text)) {
            Ok(Ok(compiled)) => compiled.map(Self),
            _ => Err(InvalidUpcaster::Uncompilable),
        }
    }

    /// Makes new data, JSON text as well.
    pub fn run(&self, data: &str) -> Result<String, RunError> {
        let steps = BASE_STEPS + STEPS_PER_BYTE * data.len() as u64;
        let ran = on_own_stack(|| {
            meter::start(steps);
            run(&self.0, data)
        });
        match ran.map_err(RunError::NoThread)? {
            Ok(output) => Ok(output?),
            Err(panicked) => Err(panicked.into()),
        }
    }
}

/// The work's answer, what stopped it, or why it could not begin.
fn on_own_stack<T: Send>(
    work: impl FnOnce() -> T + Send,
) -> io::Result<Result<T, UpcasterFailure>> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, work)?;
        Ok(thread.join().map_err(|payload| {
            let stopped = payload.downcast_ref::<Stopped>();
            stopped.map_or(UpcasterFailure::Crashed, |stopped| (*stopped).into())
        }))
    })
}

impl From<Stopped> for UpcasterFailure {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Work => Self::TooMuchWork,
            Stopped::Recursion => Self::TooDeep,
            Stopped::Nesting => Self::TooNested,
            Stopped::Digits => Self::TooManyDigits,
        }
    }
}

/// What jaq is told about the values and the program. Both of the program's methods are called by each
/// evaluation of a part of the filter, whatever else it does: they are where steps are counted.
struct Metered;

impl DataT for Metered {
    type V<'a> = Value;
    type Data<'a> = Program<'a>;
}

struct Program<'a>(&'a Lut<Metered>);

impl Clone for Program<'_> {
    fn clone(&self) -> Self {
        meter::step();
        Self(self.0)
    }
}

impl<'a> HasLut<'a, Metered> for Program<'a> {
    fn lut(&self) -> &'a Lut<Metered> {
        meter::step();
        self.0
    }
}

fn compile(text: &str) -> Result<Filter<Metered>, InvalidUpcaster> {
    check_tokens(text)?;
    let arena = Arena::default();
    let program = File {
        code: text,
        path: (),
    };
    let loader = Loader::new(natives::definitions());
    let modules = loader.load(&arena, program).map_err(|errors| {
        let (problem, part) = first_fault(errors, text);
        malformed(text, problem, part)
    })?;
    let compiler = Compiler::default().with_funs(natives::functions());
    compiler.compile(modules).map_err(|errors| {
        let undefined = errors.into_iter().flat_map(|(_, undefined)| undefined);
        let first = undefined.into_iter().next();
        let (problem, part) = first.map_or(("it is malformed".to_owned(), text), |(name, kind)| {
            (format!("there is no {} {name} here", kind.as_str()), name)
        });
        malformed(text, problem, part)
    })
}

/// What cannot be split into words at all is told by the loader, with its place.
fn check_tokens(text: &str) -> Result<(), InvalidUpcaster> {
    let tokens = Lexer::new(text).lex().unwrap_or_default();
    let count = count(&tokens);
    if count > MAX_TOKENS {
        return Err(InvalidUpcaster::TooManyTokens(count));
    }
    match tokens.first() {
        Some(Token(word @ ("import" | "include" | "module"), Tok::Word)) => {
            Err(malformed(text, NO_MODULES.to_owned(), word))
        }
        _ => Ok(()),
    }
}

fn count(tokens: &[Token<&str>]) -> usize {
    let inside = |Token(_, token): &Token<&str>| match token {
        Tok::Block(tokens) => count(tokens),
        Tok::Str(parts) => parts
            .iter()
            .map(|part| match part {
                StrPart::Term(token) => count(std::slice::from_ref(token)),
                StrPart::Str(_) | StrPart::Char(_) => 1,
            })
            .sum(),
        Tok::Word | Tok::Var | Tok::Fmt | Tok::Num | Tok::Sym => 0,
    };
    tokens.iter().map(|token| 1 + inside(token)).sum()
}

fn first_fault<'s>(
    errors: jaq_core::load::Errors<&'s str, ()>,
    text: &'s str,
) -> (String, &'s str) {
    use jaq_core::load::Error;
    let fault = errors.into_iter().find_map(|(_, error)| match error {
        Error::Io(modules) => modules
            .into_iter()
            .next()
            .map(|(name, _)| (NO_MODULES.to_owned(), name)),
        Error::Lex(faults) => faults
            .into_iter()
            .next()
            .map(|(expected, found)| (format!("expected {}", expected.as_str()), found)),
        Error::Parse(faults) => faults
            .into_iter()
            .next()
            .map(|(expected, found)| (format!("expected {}", expected.as_str()), found)),
    });
    fault.unwrap_or(("it is malformed".to_owned(), text))
}

/// Where in the text its part is.
fn malformed(text: &str, problem: String, part: &str) -> InvalidUpcaster {
    let offset = part.as_ptr().addr().checked_sub(text.as_ptr().addr());
    let before = offset.and_then(|offset| text.get(..offset)).unwrap_or(text);
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    InvalidUpcaster::Malformed {
        problem: shortened(problem),
        line: before.matches('\n').count() + 1,
        column: last_line.chars().count() + 1,
    }
}

fn run(filter: &Filter<Metered>, data: &str) -> Result<String, UpcasterFailure> {
    let input = Value::from_json(data).map_err(failed)?;
    let context = Ctx::<Metered>::new(Program(&filter.lut), Vars::new([]));
    let mut outputs = filter.id.run((context, input));
    let output = outputs.next().ok_or(UpcasterFailure::NoOutput)?;
    let output = output.map_err(|exception| match exception.get_err() {
        Ok(error) => failed(error),
        Err(_) => UpcasterFailure::Error("it broke out of nothing".to_owned()),
    })?;
    if outputs.next().is_some() {
        return Err(UpcasterFailure::SeveralOutputs);
    }
    let json = output.to_json();
    check_json(&json)?;
    Ok(json)
}

fn failed(error: value::Error) -> UpcasterFailure {
    let message = match error.into_val() {
        Value::Str(text) => text.to_string(),
        other => other.to_json(),
    };
    UpcasterFailure::Error(shortened(message))
}

/// A filter can compute what JSON cannot hold, as `nan`, and a decimal that no reader takes.
fn check_json(json: &str) -> Result<(), UpcasterFailure> {
    if json.len() > MAX_EVENT_BYTES {
        let detail = format!("{} bytes; {MAX_EVENT_BYTES} is the most", json.len());
        return Err(UpcasterFailure::NotJson(detail));
    }
    let read: Result<serde_json::Value, _> = serde_json::from_str(json);
    read.map(drop)
        .map_err(|error| UpcasterFailure::NotJson(error.to_string()))
}

fn shortened(message: String) -> String {
    match message.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

#[cfg(test)]
mod tests;
