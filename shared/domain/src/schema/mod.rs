//! What the data of a type of events look like, in versions.
//!
//! A version is a JSON Schema ([`validator`]), and with it, from the second on, possibly an [`upcaster`] that makes
//! its data out of the version before. Without one, whatever was valid before has to be valid now
//! ([`compatibility`]). Versions are registered in order and never change ([`registration`]). What is published is
//! held against its version ([`publishing`]), and what is delivered is brought up to the version that a
//! subscription asks for ([`delivery`]).

pub mod compatibility;
pub mod delivery;
pub mod modes;
pub mod naming;
pub mod publishing;
pub mod registration;
pub mod structure;
pub mod upcaster;
pub mod validator;

pub use modes::{SchemaMode, SchemaModes, TypeSchemas};
pub use naming::{SchemaType, SchemaVersion};
pub use registration::{Schema, SchemaReader, SchemaWriter};
pub use upcaster::Upcaster;
pub use validator::{CompiledSchema, DataViolation, DataViolations};
