//! What a manifest says of other manifests, read leniently: its children, its subject, and
//! nothing else.
//!
//! See the OCI image specification, "image-index" and "manifest"
//! (<https://github.com/opencontainers/image-spec>), and Docker's schema 2.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
};

use serde_json::{Map, Value, json};

/// The media types that list other manifests.
const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
/// The media types of one image.
const IMAGES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// What a client has to accept, to be given an index as an index, and to be given at all what
/// nobody knows yet (OCI distribution specification, "Pulling manifests").
pub const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                            application/vnd.docker.distribution.manifest.list.v2+json, \
                            application/vnd.docker.distribution.manifest.v2+json, */*;q=0.1";

/// What is known of the manifests of a package, by their digests.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// Those that were read.
    pub read: HashMap<String, Manifest>,
    /// Those of which the registry said, each time it was asked, that there is none.
    pub absent: HashSet<String>,
}

/// A manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// Whether it is an index; anything else lists nothing, whatever its media type.
    pub is_index: bool,
    /// What an index lists.
    pub children: Vec<Descriptor>,
    /// The digest of the manifest it refers to.
    pub subject: Option<String>,
    /// The descriptor of an image's configuration, as JSON: a tenth of the memory that its tree takes.
    config: Option<Box<str>>,
    /// The content that an image consists of; only an inventory keeps it.
    pub blobs: Box<[Blob]>,
}

/// A piece of content: several images may share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Blob {
    /// Differs, in all likelihood, where digests do: an eighth of the memory they take.
    pub fingerprint: u64,
    /// Its size in bytes, as the manifest says.
    pub bytes: u64,
}

/// What an index says of a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its digest.
    pub digest: String,
    /// Whether the child has to be read to know what it lists and refers to.
    ///
    /// An image that is listed for a platform is taken to have no subject of its own: builders
    /// make such children (`unknown/unknown` for attestations), and none of them gives one.
    pub is_open: bool,
}

impl Manifest {
    /// Reads a manifest. Its kind is what the answer's `Content-Type` says, then what it says of
    /// itself; a media type that nobody knows is a leaf.
    ///
    /// # Errors
    ///
    /// When it is no JSON object, or an index whose list is none.
    pub fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<Self, String> {
        let document: Map<String, Value> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let said = content_type.and_then(|text| text.split(';').next()).map(str::trim).unwrap_or_default();
        let says = document.get("mediaType").and_then(Value::as_str).unwrap_or_default();
        let list = document.get("manifests").unwrap_or(&Value::Null);
        let is_known = |text: &&str| INDEXES.contains(text) || IMAGES.contains(text);
        let is_index = match [said, says].into_iter().find(is_known) {
            Some(media_type) => INDEXES.contains(&media_type),
            // an OCI index may leave its media type out
            None => says.is_empty() && list.is_array(),
        };
        let children = match list {
            Value::Array(list) if is_index => list.iter().filter_map(Descriptor::read).collect(),
            Value::Null => Vec::new(),
            _ if is_index => return Err("the list of an index is no list".to_owned()),
            _ => Vec::new(),
        };
        let subject = document.get("subject").and_then(|subject| subject.get("digest"));
        let subject = subject.and_then(Value::as_str).map(str::to_owned);
        let config = document.get("config").filter(|config| config.is_object());
        let config = config.map(|config| config.to_string().into_boxed_str());
        let layers = document.get("layers").and_then(Value::as_array).into_iter().flatten();
        let blobs = layers.chain(document.get("config")).filter_map(Blob::read).collect();
        Ok(Self { is_index, children, subject, config, blobs })
    }

    /// A copy without content, and its media type: what is pushed under a tag to take the tag off
    /// this manifest. `mark` makes it unlike any other manifest.
    pub fn emptied(&self, mark: &str) -> (&'static str, Vec<u8>) {
        let annotations =
            json!({"org.opencontainers.image.description": format!("Tidy Packages takes tags off: {mark}")});
        let config = self.config.as_deref().and_then(|config| serde_json::from_str::<Value>(config).ok());
        let (media_type, body) = match config {
            // the configuration is in the registry already; an empty list of layers is legal
            Some(config) if !self.is_index => (IMAGES[0], json!({"config": config, "layers": []})),
            _ => (INDEXES[0], json!({"manifests": []})),
        };
        let mut document = json!({"schemaVersion": 2, "mediaType": media_type, "annotations": annotations});
        if let (Value::Object(document), Value::Object(body)) = (&mut document, body) {
            document.extend(body);
        }
        (media_type, document.to_string().into_bytes())
    }
}

impl Blob {
    fn read(descriptor: &Value) -> Option<Self> {
        let digest = descriptor.get("digest")?.as_str()?;
        let bytes = descriptor.get("size")?.as_u64()?;
        Some(Self { fingerprint: BuildHasherDefault::<DefaultHasher>::default().hash_one(digest), bytes })
    }
}

impl Descriptor {
    /// `None` for what names no digest, and so refers to nothing.
    fn read(value: &Value) -> Option<Self> {
        let digest = value.get("digest")?.as_str()?.to_owned();
        let media_type = value.get("mediaType").and_then(Value::as_str).unwrap_or_default();
        let is_image = IMAGES.contains(&media_type);
        let has_platform = value.get("platform").is_some_and(Value::is_object);
        Some(Self { digest, is_open: !(is_image && has_platform) })
    }
}

/// The digest of these bytes (OCI image specification, "Digests").
pub fn digest_of(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Whether this is the digest of a manifest, and not just any text.
pub fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content_type: &str, document: &Value) -> Result<Manifest, String> {
        Manifest::parse(Some(content_type).filter(|text| !text.is_empty()), document.to_string().as_bytes())
    }

    #[test]
    fn the_answer_says_what_it_is_then_the_document_and_what_nobody_knows_is_a_leaf() {
        let lists = json!([{"digest": "sha256:a", "mediaType": IMAGES[0], "platform": {}}]);
        for (content_type, media_type, is_index) in [
            (INDEXES[0], json!(null), true),
            (INDEXES[1], json!(INDEXES[1]), true),
            ("application/vnd.oci.image.index.v1+json; charset=utf-8", json!(null), true),
            ("application/json", json!(INDEXES[0]), true),
            ("", json!(null), true),
            (IMAGES[0], json!(null), false),
            (IMAGES[1], json!(INDEXES[1]), false),
            ("", json!("application/vnd.example.new.v1+json"), false),
            ("application/vnd.example.new.v1+json", json!("application/vnd.example.new.v1+json"), false),
        ] {
            let manifest = parse(content_type, &json!({"mediaType": media_type, "manifests": lists})).expect("JSON");
            assert_eq!(manifest.is_index, is_index, "{content_type} {media_type}");
            assert_eq!(manifest.children.len(), usize::from(is_index), "{content_type} {media_type}");
        }
    }

    #[test]
    fn a_child_is_open_unless_it_is_an_image_of_a_platform() {
        let platform = json!({"architecture": "unknown", "os": "unknown"});
        let list = json!([
            {"digest": "sha256:a", "mediaType": IMAGES[0], "platform": platform},
            {"digest": "sha256:b", "mediaType": IMAGES[1], "platform": platform},
            {"digest": "sha256:c", "mediaType": IMAGES[0]},
            {"digest": "sha256:d", "mediaType": INDEXES[0], "platform": platform},
            {"digest": "sha256:e"},
            {"mediaType": IMAGES[0]},
            "nonsense",
        ]);
        let manifest = parse(INDEXES[0], &json!({"manifests": list})).expect("JSON");
        let open: Vec<_> = manifest.children.iter().map(|child| (child.digest.as_str(), child.is_open)).collect();
        let expected =
            [("sha256:a", false), ("sha256:b", false), ("sha256:c", true), ("sha256:d", true), ("sha256:e", true)];
        assert_eq!(open, expected);
    }

    #[test]
    fn what_is_no_manifest_is_an_error_and_what_lists_nothing_is_fine() {
        assert!(parse(INDEXES[0], &json!({"manifests": "many"})).is_err());
        assert!(Manifest::parse(None, b"<html>").is_err());
        assert!(Manifest::parse(None, b"[]").is_err_and(|error| !error.is_empty()));
        for document in [json!({}), json!({"manifests": []}), json!({"manifests": null, "subject": 7})] {
            assert_eq!(parse(INDEXES[0], &document).map(|manifest| manifest.children.len()), Ok(0));
        }
        let schema1 = json!({"schemaVersion": 1, "fsLayers": [], "signatures": []});
        assert!(
            parse("application/vnd.docker.distribution.manifest.v1+prettyjws", &schema1).is_ok_and(|it| !it.is_index)
        );
    }

    #[test]
    fn an_emptied_copy_refers_to_nothing_and_is_like_no_other() {
        let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:c", "size": 2});
        let image = json!({"config": config, "layers": [{"digest": "sha256:l"}], "subject": {"digest": "sha256:s"}});
        let image = parse(IMAGES[1], &image).expect("JSON");
        assert_eq!(image.subject.as_deref(), Some("sha256:s"));
        let (media_type, bytes) = image.emptied("one");
        let copy: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(
            (media_type, &copy["config"], &copy["layers"], &copy["subject"]),
            (IMAGES[0], &config, &json!([]), &json!(null))
        );
        assert_ne!(bytes, image.emptied("two").1);

        let (media_type, bytes) =
            parse(INDEXES[1], &json!({"manifests": [{"digest": "sha256:a"}]})).expect("JSON").emptied("one");
        let copy: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!((media_type, &copy["manifests"]), (INDEXES[0], &json!([])));
    }

    #[test]
    fn digests_are_sha256_in_lower_case_hex() {
        // the empty input's digest, as RFC 6234's test vectors have it
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest_of(b""), empty);
        assert!(is_digest(empty) && !is_digest(&empty.to_uppercase()) && !is_digest(&empty[..70]) && !is_digest("1.0"));
    }

    proptest::proptest! {
        #[test]
        fn no_document_makes_it_panic(text in r#"(\{("manifests|subject|config|mediaType|digest)":|\[|\]|\}|"a"|1|,){0,20}"#) {
            let _ = Manifest::parse(None, text.as_bytes());
        }
    }
}
