//! The API's JSON, read leniently: what a decision does not need may be missing or of any shape.
//!
//! See the schemas `package` and `package-version` of GitHub's OpenAPI description. Known
//! departures: `metadata.docker` has `tag` or `tags`, `metadata` may be missing, and dates are
//! strings that need not parse.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::PackageAnswer;
use crate::model::{self, PackageType};

/// A user or organization (`GET /users/{username}`, `GET /user`).
#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) login: String,
    #[serde(rename = "type", default)]
    pub(super) kind: String,
}

/// A package.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) name: String,
    #[serde(default)]
    pub(super) visibility: Value,
    #[serde(default)]
    version_count: Value,
}

impl Package {
    pub(super) fn into_answer(self, package_type: PackageType) -> PackageAnswer {
        let version_count = self.version_count.as_u64();
        PackageAnswer { package: self.into_model(package_type), version_count }
    }

    pub(super) fn into_model(self, package_type: PackageType) -> model::Package {
        let visibility = self.visibility.as_str().map(str::to_owned);
        model::Package { package_type, name: self.name, visibility }
    }
}

/// A version of a package.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    id: u64,
    name: String,
    #[serde(default)]
    created_at: Value,
    #[serde(default)]
    updated_at: Value,
    #[serde(default)]
    deleted_at: Value,
    #[serde(default)]
    metadata: Value,
}

impl Version {
    pub(super) fn into_model(self, package_type: PackageType) -> model::Version {
        let tags = tags(&self.metadata, package_type, &self.name);
        let moment = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        model::Version {
            id: self.id,
            tags,
            created_at: moment(&self.created_at),
            updated_at: moment(&self.updated_at),
            deleted_at: moment(&self.deleted_at),
            name: self.name,
        }
    }
}

/// The tags a version has, or `None` where the answer does not say.
fn tags(metadata: &Value, package_type: PackageType, name: &str) -> Option<Vec<String>> {
    let metadata = metadata.as_object()?;
    let listed = match package_type {
        PackageType::Container => metadata.get("container")?.get("tags")?,
        PackageType::Docker => {
            let docker = metadata.get("docker")?;
            docker.get("tags").or_else(|| docker.get("tag"))?
        }
        _ => return Some(vec![name.to_owned()]),
    };
    listed.as_array()?.iter().map(|tag| tag.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(package_type: PackageType, json: Value) -> model::Version {
        serde_json::from_value::<Version>(json).expect("a version").into_model(package_type)
    }

    #[test]
    fn tags_come_from_where_each_type_has_them() {
        let tags =
            |package_type, metadata| version(package_type, json!({"id": 1, "name": "1.0", "metadata": metadata})).tags;
        let some = |tags: &[&str]| Some(tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>());
        assert_eq!(tags(PackageType::Container, json!({"container": {"tags": ["a", "b"]}})), some(&["a", "b"]));
        assert_eq!(tags(PackageType::Container, json!({"container": {"tags": []}})), some(&[]));
        assert_eq!(tags(PackageType::Docker, json!({"docker": {"tag": ["a"]}})), some(&["a"]));
        assert_eq!(tags(PackageType::Docker, json!({"docker": {"tags": ["a"]}})), some(&["a"]));
        assert_eq!(tags(PackageType::Npm, json!({"package_type": "npm"})), some(&["1.0"]));
    }

    #[test]
    fn what_is_missing_or_of_another_shape_is_unknown_and_never_guessed() {
        for metadata in
            [json!(null), json!([]), json!({}), json!({"container": {}}), json!({"container": {"tags": "a"}})]
        {
            let bare = version(PackageType::Container, json!({"id": 1, "name": "x", "metadata": metadata}));
            assert_eq!(bare.tags, None, "{metadata}");
        }
        assert_eq!(version(PackageType::Npm, json!({"id": 1, "name": "x"})).tags, None);
        let dates = version(
            PackageType::Npm,
            json!({"id": 4_294_967_296_u64, "name": "x", "created_at": "yesterday", "updated_at": 7}),
        );
        assert_eq!((dates.id, dates.created_at, dates.updated_at), (4_294_967_296, None, None));
    }

    #[test]
    fn fractional_seconds_and_unknown_fields_are_fine() {
        let read = version(
            PackageType::Npm,
            json!({"id": 1, "name": "x", "created_at": "2026-01-02T03:04:05.678Z", "flavour": "new", "metadata": {}}),
        );
        assert_eq!(read.created_at, "2026-01-02T03:04:05.678Z".parse().ok());
    }
}
