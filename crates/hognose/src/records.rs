//! Where `hognose serve` records executions, and for how long.

use std::time::Duration;

use anyhow::{Context, bail};
use stepflow_python::{Database, DatabaseAddress, Instance, Recorder, Retention};

use crate::arguments::RecordsArguments;
use crate::limits;
use crate::settings::{Common, Sources};

/// The file of records in the state folder.
const FILE: &str = "records.sqlite";

/// What the operator says about records.
#[derive(Debug)]
pub(crate) struct RecordsWish {
    /// `None` records nothing.
    pub(crate) address: Option<DatabaseAddress>,
    retention: Retention,
}

impl RecordsWish {
    /// From flags, variables and defaults.
    pub(crate) fn read(
        flags: &RecordsArguments,
        common: &Common,
        sources: &Sources,
    ) -> anyhow::Result<Self> {
        let mut retention = Retention::default();
        let age = flags.records_age.as_deref();
        if let Some(found) = sources.find(age, "--records-age", "HOGNOSE_RECORDS_AGE") {
            let age = humantime::parse_duration(&found.text).ok();
            let age = age.filter(|age| *age > Duration::ZERO);
            let wrong = || {
                format!(
                    "{} is `{}`; use a time such as 30d or 12h",
                    found.origin, found.text
                )
            };
            retention.age = age.with_context(wrong)?;
        }
        let bytes = flags.records_bytes.as_deref();
        if let Some(found) = sources.find(bytes, "--records-bytes", "HOGNOSE_RECORDS_BYTES") {
            let bytes = limits::bytes(&found.text).filter(|bytes| *bytes > 0);
            let wrong = || {
                format!(
                    "{} is `{}`; use a number of bytes, such as 2G",
                    found.origin, found.text
                )
            };
            retention.bytes = bytes.with_context(wrong)?;
        }
        Ok(Self {
            address: address(flags.records.as_deref(), common, sources)?,
            retention,
        })
    }

    /// Begins to record. Nothing is opened for `off`.
    pub(crate) async fn begin(self, common: &Common) -> anyhow::Result<Option<Recorder>> {
        let Some(address) = self.address else {
            return Ok(None);
        };
        common.create_state_dir()?;
        let instance = Instance::take(&common.state_dir)?;
        let opened = Database::open(&address).await;
        let database = opened.with_context(|| format!("cannot keep records in `{address}`"))?;
        let recorder = Recorder::begin(database, instance, self.retention).await?;
        Ok(Some(recorder))
    }
}

/// Where records are, or would be. The value may hold a password: no message repeats it.
pub(crate) fn address(
    flag: Option<&str>,
    common: &Common,
    sources: &Sources,
) -> anyhow::Result<Option<DatabaseAddress>> {
    let Some(found) = sources.find(flag, "--records", "HOGNOSE_RECORDS") else {
        return Ok(Some(DatabaseAddress::File(common.state_dir.join(FILE))));
    };
    if found.text == "off" {
        return Ok(None);
    }
    match found.text.parse() {
        Ok(DatabaseAddress::Memory) => bail!("{}: records want a file, or `off`", found.origin),
        Ok(address) => Ok(Some(address)),
        Err(error) => Err(anyhow::Error::new(error).context(found.origin)),
    }
}
