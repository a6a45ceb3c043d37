//! Settings of the environments that callers ask for.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use stepflow_python::PipConfig;
use stepflow_python::dependencies::normal_name;

use super::{Sources, amount};
use crate::start::RequestedWish;

impl Sources {
    /// What callers' environments may be.
    pub(crate) fn requested(&self) -> anyhow::Result<RequestedWish> {
        let mut wish = RequestedWish::default();
        let list = |variable| self.list(variable);
        wish.folder = self.environments_dir();
        wish.config.base_packages = list("HOGNOSE_BASE_PACKAGES");
        wish.config.auto_cleanup = self.switch_or("HOGNOSE_AUTO_CLEANUP", true)?;
        let version = self.find(None, "", "HOGNOSE_PYTHON_VERSION");
        wish.config.python_version = version.map(|found| found.text).unwrap_or_default();
        wish.policy.allowed_packages = self.allowed_packages()?;
        wish.policy.offline = self.switch("HOGNOSE_OFFLINE")?;
        wish.policy.source_builds = self.switch("HOGNOSE_SOURCE_BUILDS")?;
        wish.policy.git_hosts = list("HOGNOSE_GIT_HOSTS");
        let conda = self.find(None, "", "HOGNOSE_CONDA");
        wish.policy.conda = conda.map(|found| found.text.into());
        if let Some(found) = self.find(None, "", "HOGNOSE_ENVIRONMENT_BYTES") {
            wish.policy.most_bytes = amount(&found, "20G")?;
        }
        if let Some(found) = self.find(None, "", "HOGNOSE_MAX_ENVIRONMENTS") {
            let number = found
                .text
                .parse::<usize>()
                .ok()
                .filter(|number| *number > 0);
            let wrong = || format!("{} is `{}`; use a number above 0", found.origin, found.text);
            wish.config.max_environments = number.with_context(wrong)?;
        }
        let index = self.find(None, "", "HOGNOSE_INDEX_URL");
        let index = index.map(|found| found.text);
        let more = list("HOGNOSE_EXTRA_INDEX_URLS");
        check_indexes("HOGNOSE_INDEX_URL", index.as_slice())?;
        check_indexes("HOGNOSE_EXTRA_INDEX_URLS", &more)?;
        let pip = PipConfig::default();
        let seconds = self.whole("HOGNOSE_INDEX_TIMEOUT_SECONDS", 1)?;
        let retries = self.whole("HOGNOSE_INDEX_RETRIES", 0)?;
        wish.config.pip_config = Some(PipConfig {
            index_url: index,
            extra_index_urls: more,
            trusted_hosts: list("HOGNOSE_TRUSTED_HOSTS"),
            timeout: seconds.map_or(pip.timeout, |seconds| Duration::from_secs(seconds.into())),
            retries: retries.unwrap_or(pip.retries),
        });
        Ok(wish)
    }

    /// Normalised. A list without a name would allow all: it is refused.
    fn allowed_packages(&self) -> anyhow::Result<Vec<String>> {
        let Some(found) = self.find(None, "", "HOGNOSE_ALLOWED_PACKAGES") else {
            return Ok(Vec::new());
        };
        let names = self.list("HOGNOSE_ALLOWED_PACKAGES");
        let is_name = |name: &String| {
            let mut letters = name.chars();
            letters.all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
                && !normal_name(name).is_empty()
        };
        if names.is_empty() || !names.iter().all(is_name) {
            let (origin, text) = (found.origin, found.text);
            bail!("{origin} is `{text}`; use names of packages with commas between them");
        }
        Ok(names.iter().map(|name| normal_name(name)).collect())
    }

    /// The folder of environments that callers ask for, instead of the one in the state folder.
    pub(crate) fn environments_dir(&self) -> Option<PathBuf> {
        let found = self.find(None, "", "HOGNOSE_ENVIRONMENTS_DIR");
        found.map(|found| found.text.into())
    }
}

/// No message repeats an address: it may have a password.
fn check_indexes(variable: &str, all: &[String]) -> anyhow::Result<()> {
    let is_address = |text: &String| {
        let parts = text.split_once("://");
        parts.is_some_and(|(scheme, rest)| {
            ["https", "http", "file"].contains(&scheme) && !rest.is_empty()
        })
    };
    if !all.iter().all(is_address) {
        bail!("{variable} is no address; use one such as https://index.example/simple");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn wish(name: &str, value: &str) -> anyhow::Result<RequestedWish> {
        let sources = Sources {
            variables: HashMap::from([(name.to_owned(), value.to_owned())]),
            ..Sources::default()
        };
        sources.requested()
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_would_be_right() {
        for (name, value, told) in [
            (
                "HOGNOSE_ENVIRONMENT_BYTES",
                "-1",
                "is `-1`; use a number of bytes, such as 20G",
            ),
            (
                "HOGNOSE_ALLOWED_PACKAGES",
                ",",
                "is `,`; use names of packages",
            ),
            ("HOGNOSE_ALLOWED_PACKAGES", "a,b>1", "is `a,b>1`; use names"),
            (
                "HOGNOSE_INDEX_URL",
                "nonsense",
                "is no address; use one such as",
            ),
            (
                "HOGNOSE_EXTRA_INDEX_URLS",
                "https://a/simple,b",
                "is no address; use one such as",
            ),
            ("HOGNOSE_AUTO_CLEANUP", "no", "is `no`; use 1 or 0"),
            ("HOGNOSE_MAX_ENVIRONMENTS", "0", "use a number above 0"),
        ] {
            let error = format!("{:#}", wish(name, value).unwrap_err());
            assert!(error.starts_with(name) && error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_right_value_is_taken() {
        let packages = wish("HOGNOSE_ALLOWED_PACKAGES", "Py_YAML, numpy rich").unwrap();
        assert_eq!(
            packages.policy.allowed_packages,
            ["py-yaml", "numpy", "rich"]
        );
        let cleanup = wish("HOGNOSE_AUTO_CLEANUP", "False").unwrap();
        assert!(!cleanup.config.auto_cleanup);
        let index = wish("HOGNOSE_INDEX_URL", "file:///srv/index").unwrap();
        let index = index.config.pip_config.unwrap().index_url;
        assert_eq!(index.as_deref(), Some("file:///srv/index"));
    }
}
