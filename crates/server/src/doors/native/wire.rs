//! The native dialect as it travels. Requests refuse what they do not know.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// Whole numbers above this are not exact in every JSON reader. Source: RFC 8259, section 6.
const MOST_EXACT: u64 = (1 << 53) - 1;

/// What is left out, and what is `null`, is the default.
pub(crate) fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// `POST /v1/executions`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) globals: Option<BTreeMap<String, Box<RawValue>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) function: Option<Object<CallBody>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) script: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) module: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) executor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stdin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stdin_base64: Option<String>,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) args: Vec<String>,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) files: Vec<Object<FileBody>>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) limits: Object<WishBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<String>,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) packages: Vec<String>,
}

/// A function of the program to call. The values stay the JSON they are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallBody {
    pub(crate) name: String,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) args: Vec<Box<RawValue>>,
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub(crate) kwargs: BTreeMap<String, Box<RawValue>>,
}

/// `POST /v1/validate`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValidateBody {
    pub(crate) source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
}

/// What the policy has against a source.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ValidatedBody {
    pub(crate) valid: bool,
    pub(crate) policy: String,
    pub(crate) findings: Vec<FindingBody>,
}

/// A JSON object that is a `T`; an array of its fields, which serde would take as well, is not.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// One input file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileBody {
    pub(crate) name: String,
    pub(crate) content_base64: String,
}

/// The limits a caller wants tightened.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WishBody {
    pub(crate) wall_ms: Option<Whole>,
    pub(crate) cpu_ms: Option<Whole>,
    pub(crate) memory_bytes: Option<Whole>,
    pub(crate) processes: Option<Whole>,
    pub(crate) workdir_bytes: Option<Whole>,
    pub(crate) workdir_inodes: Option<Whole>,
    pub(crate) output_bytes: Option<Whole>,
    pub(crate) output_hard_bytes: Option<Whole>,
    pub(crate) artifacts: Option<Whole>,
    pub(crate) artifact_bytes: Option<Whole>,
    pub(crate) source_bytes: Option<Whole>,
}

/// A whole number a caller wrote: 0 to 2^53 - 1, and nothing that only looks like one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Whole(pub(crate) u64);

impl Whole {
    /// The nearest number that can travel.
    pub(crate) fn cut(number: u64) -> Self {
        Self(number.min(MOST_EXACT))
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 0 to {MOST_EXACT}")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Whole, E> {
        if value <= MOST_EXACT {
            return Ok(Whole(value));
        }
        Err(E::invalid_value(de::Unexpected::Unsigned(value), &self))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Whole, E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(value), &self)),
        }
    }
}

/// How an execution ended, with everything it left.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExecutionBody {
    pub(crate) id: String,
    pub(crate) outcome: OutcomeBody,
    pub(crate) return_code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) value: Option<ValueBody>,
    pub(crate) exception: Option<ExceptionBody>,
    pub(crate) artifacts: Vec<ArtifactBody>,
    pub(crate) skipped_artifacts: Vec<SkippedBody>,
    pub(crate) usage: UsageBody,
    pub(crate) limits: LimitsBody,
    pub(crate) truncated: bool,
    pub(crate) dropped: DroppedBody,
    pub(crate) lossy: LossyBody,
    pub(crate) timing: TimingBody,
    pub(crate) isolation: ConfinedBody,
}

/// The outcome's kind, with what belongs to it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum OutcomeBody {
    Completed,
    Raised,
    Rejected {
        findings: Vec<FindingBody>,
    },
    LimitExceeded {
        limit: String,
    },
    Crashed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<i32>,
    },
    Cancelled,
}

/// What the last expression was, or a function returned; absent when there was none.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ValueBody {
    pub(crate) repr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) json: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Why there is no `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_json: Option<String>,
}

/// The exception that ended a program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExceptionBody {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) frames: Vec<TracebackFrameBody>,
    pub(crate) causes: Vec<ExceptionBody>,
    pub(crate) traceback: String,
    pub(crate) exit_status: Option<i32>,
}

/// One frame of a traceback.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TracebackFrameBody {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) function: String,
    pub(crate) source: Option<String>,
}

/// One remark by the validator.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FindingBody {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) end_line: u32,
    pub(crate) end_column: u32,
    pub(crate) excerpt: String,
    pub(crate) suggestion: Option<String>,
}

/// One collected file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ArtifactBody {
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) size_bytes: u64,
    pub(crate) sha256: String,
    pub(crate) url: String,
    /// Whether characters of the name were percent-escaped.
    pub(crate) escaped: bool,
}

/// A file that stayed behind, and why.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SkippedBody {
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// What the kernel measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UsageBody {
    pub(crate) wall_ms: f64,
    pub(crate) cpu_ms: f64,
    pub(crate) memory_peak_bytes: u64,
}

/// What was enforced.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LimitsBody {
    pub(crate) wall_ms: u64,
    pub(crate) cpu_ms: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) processes: u32,
    pub(crate) workdir_bytes: u64,
    pub(crate) workdir_inodes: u64,
    pub(crate) output_bytes: u64,
    pub(crate) output_hard_bytes: u64,
    pub(crate) artifacts: u32,
    pub(crate) artifact_bytes: u64,
    pub(crate) source_bytes: u64,
}

/// Bytes of output that were counted and not kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DroppedBody {
    pub(crate) stdout_bytes: u64,
    pub(crate) stderr_bytes: u64,
}

/// Whether bytes that are not UTF-8 were replaced.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LossyBody {
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

/// Start and run apart.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TimingBody {
    pub(crate) start_ms: f64,
    pub(crate) run_ms: f64,
}

/// What confined it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConfinedBody {
    pub(crate) tier: String,
    pub(crate) preload: String,
}

/// Data of the event `started`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StartedBody {
    pub(crate) id: String,
}

/// Data of the events `stdout` and `stderr`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkBody {
    pub(crate) text: String,
    /// The exact bytes, when `text` had to replace some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base64: Option<String>,
}

/// `GET /health`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HealthBody {
    pub(crate) status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// One of `GET /v1/pools`: the facts of a pool, under their names in `PoolStatus`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PoolBody {
    pub(crate) environment: String,
    pub(crate) preload: String,
    pub(crate) fork: String,
    pub(crate) ready: usize,
    pub(crate) wanted: usize,
    pub(crate) child_bytes: u64,
    pub(crate) leases_ready: u64,
    pub(crate) leases_fresh: u64,
    pub(crate) refills: u64,
    pub(crate) zygotes: u64,
    pub(crate) recycles: u64,
    pub(crate) lost: u64,
}
