//! Manifests as builders and signers push them, and a short way to write packages of images down.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::state::Version;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const PLATFORMS: [&str; 4] = ["amd64", "arm64", "arm", "s390x"];

/// What the registry gives out.
#[derive(Clone, PartialEq)]
pub struct Manifest {
    pub media_type: String,
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Manifest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", String::from_utf8_lossy(&self.bytes))
    }
}

impl Manifest {
    pub fn new(media_type: &str, document: &Value) -> Self {
        Self { media_type: media_type.to_owned(), bytes: document.to_string().into_bytes() }
    }

    /// A manifest of one image; the label makes it unlike others.
    pub fn of_image(label: &str, subject: Option<&str>) -> Self {
        let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(label.as_bytes()), "size": 2});
        let mut document = json!({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": []});
        if let Some(subject) = subject {
            document["subject"] = json!({"mediaType": INDEX, "digest": subject, "size": 2});
        }
        Self::new(IMAGE, &document)
    }

    /// An index of children, each with the platform it is listed for, if any.
    pub fn of_index(label: &str, children: &[(String, &str, Option<&str>)], subject: Option<&str>) -> Self {
        let descriptor = |(digest, media_type, platform): &(String, &str, Option<&str>)| {
            let mut descriptor = json!({"mediaType": media_type, "digest": digest, "size": 2});
            if let Some(architecture) = platform {
                descriptor["platform"] = json!({"architecture": architecture, "os": "linux"});
            }
            descriptor
        };
        let manifests: Vec<_> = children.iter().map(descriptor).collect();
        let mut document = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        document["annotations"] = json!({"label": label});
        if let Some(subject) = subject {
            document["subject"] = json!({"mediaType": IMAGE, "digest": subject, "size": 2});
        }
        Self::new(INDEX, &document)
    }

    pub fn digest(&self) -> String {
        sha256(&self.bytes)
    }
}

fn sha256(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The digest of the single image of this label.
pub fn digest_of(label: &str) -> String {
    Manifest::of_image(label, None).digest()
}

impl Version {
    /// A single image; the label makes its digest.
    pub fn image(label: &str, tags: &[&str]) -> Self {
        Self::with_manifest(Manifest::of_image(label, None)).tags(tags)
    }

    pub fn with_manifest(manifest: Manifest) -> Self {
        Self { manifest: Some(manifest.clone()), ..Self::new(&manifest.digest()) }
    }

    /// The digests that its manifest lists, if it is an index.
    pub fn listed(&self) -> Vec<String> {
        let document: Value = self
            .manifest
            .as_ref()
            .map_or(Value::Null, |manifest| serde_json::from_slice(&manifest.bytes).expect("a manifest is JSON"));
        let listed = document["manifests"].as_array().cloned().unwrap_or_default();
        listed.iter().filter_map(|descriptor| descriptor["digest"].as_str().map(str::to_owned)).collect()
    }

    /// The digest that its manifest refers to.
    pub fn subject(&self) -> Option<String> {
        let document: Value = serde_json::from_slice(&self.manifest.as_ref()?.bytes).ok()?;
        document["subject"]["digest"].as_str().map(str::to_owned)
    }
}

/// Manifests that real tools wrote (`tests/data/images`), with their tags, the index last.
pub fn real_images(folder: &str) -> Vec<Version> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images").join(folder);
    let read =
        |path: &std::path::Path| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let tags: BTreeMap<String, String> = serde_json::from_slice(&read(&folder.join("tags.json"))).expect("tags");
    let mut versions = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
        if entry.file_name() == "tags.json" {
            continue;
        }
        let bytes = read(&entry.path());
        let document: Value = serde_json::from_slice(&bytes).expect("a manifest");
        let media_type = document["mediaType"].as_str().expect("a media type").to_owned();
        let version = Version::with_manifest(Manifest { media_type, bytes });
        let of_it: Vec<_> =
            tags.iter().filter(|(_, digest)| **digest == version.name).map(|(tag, _)| tag.as_str()).collect();
        versions.push(version.tags(&of_it));
    }
    versions.sort_by_key(|version| (!version.listed().is_empty(), version.name.clone()));
    versions
}

/// So many images of two platforms with an attestation each, pushed one after another: children
/// first, then the index, `minutes` after the image before. Every other one has lost its tag.
pub fn attested_images(count: u32, minutes: f64) -> Vec<Version> {
    let mut versions = Vec::new();
    for number in 0..count {
        let days = 400.0 - f64::from(number) * minutes / 1_440.0;
        let child = |role: &str| Manifest::of_image(&format!("{number}-{role}"), None);
        let mut listed = Vec::new();
        for (role, platform) in [("a", "amd64"), ("b", "arm64"), ("c", "unknown"), ("d", "unknown")] {
            let manifest = child(role);
            listed.push((manifest.digest(), IMAGE, Some(platform)));
            versions.push(Version::with_manifest(manifest).days_old(days));
        }
        let index = Version::with_manifest(Manifest::of_index(&number.to_string(), &listed, None));
        let tag = format!("v{number}");
        let tags: &[&str] = if number % 2 == 0 { &[&tag] } else { &[] };
        versions.push(index.tags(tags).days_old(days));
    }
    versions
}

/// One item of the short form.
#[derive(Clone, Debug, Default)]
struct Item {
    tags: Vec<String>,
    days: f64,
    /// Labels, whether it is there, and whether it is listed for a platform.
    children: Vec<(String, bool, bool)>,
    is_index: bool,
    subject: Option<String>,
}

/// A package of images, the oldest first, from a short form: items separated by ` · `.
///
/// `I[v1,latest] 30 -> a,b,!c` is an index of 30 days with these tags and children; a child that is
/// no item of its own is an untagged image pushed right before it, `!c` is listed and not there.
/// `=>` lists without platforms, as a fallback index does. `subject S` refers to S. In tags,
/// `sha256-S` stands for the digest of S. An item without an age has 100 days.
pub fn images(text: &str) -> Vec<Version> {
    let mut items = BTreeMap::new();
    let mut order = Vec::new();
    for text in text.split('·').map(str::trim).filter(|text| !text.is_empty()) {
        let (label, item) = item(text);
        let children: Vec<_> = item.children.iter().filter(|child| child.1).map(|child| child.0.clone()).collect();
        for child in children {
            if !order.contains(&child) {
                order.push(child.clone());
                items.entry(child).or_insert(Item { days: item.days, ..Item::default() });
            }
        }
        order.retain(|known| *known != label);
        order.push(label.clone());
        items.insert(label, item);
    }
    let mut manifests = BTreeMap::new();
    for label in &order {
        manifest(label, &items, &mut manifests, &mut BTreeSet::new());
    }
    let digest = |label: &str| manifests.get(label).map_or_else(|| digest_of(label), Manifest::digest);
    let version = |label: &String| {
        let item = &items[label];
        let tags: Vec<_> = item.tags.iter().map(|tag| in_full(tag, &digest)).collect();
        let tags: Vec<_> = tags.iter().map(String::as_str).collect();
        Version::with_manifest(manifests[label].clone()).tags(&tags).days_old(item.days)
    };
    order.iter().map(version).collect()
}

/// `sha256-S.sig` with the digest of S.
fn in_full(tag: &str, digest: &dyn Fn(&str) -> String) -> String {
    let Some(rest) = tag.strip_prefix("sha256-") else { return tag.to_owned() };
    if rest.len() >= 64 {
        return tag.to_owned();
    }
    let (label, suffix) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    format!("{}{suffix}", digest(label).replace(':', "-"))
}

fn item(text: &str) -> (String, Item) {
    let mut item = Item { days: 100.0, ..Item::default() };
    let (head, children) = match text.split_once("->").or_else(|| text.split_once("=>")) {
        Some((head, children)) => (head, Some(children)),
        None => (text, None),
    };
    let for_platforms = text.contains("->");
    let (head, subject) = match text.split_once("subject ") {
        Some((_, subject)) => (head.split("subject ").next().unwrap_or(head), subject.split_whitespace().next()),
        None => (head, None),
    };
    item.subject = subject.map(str::to_owned);
    item.is_index = children.is_some();
    let children = children.unwrap_or_default().split("subject ").next().unwrap_or_default();
    for child in children.split(',').map(str::trim).filter(|child| !child.is_empty()) {
        let label = child.trim_start_matches('!').to_owned();
        item.children.push((label, !child.starts_with('!'), for_platforms));
    }
    let mut words = head.split_whitespace();
    let name = words.next().expect("a name");
    if let Some(days) = words.next() {
        item.days = days.parse().expect("days");
    }
    let (label, tags) = name.split_once('[').unwrap_or((name, ""));
    item.tags = tags.trim_end_matches(']').split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    (label.to_owned(), item)
}

/// The manifest of a label; what it lists and refers to is made first.
fn manifest(
    label: &str,
    items: &BTreeMap<String, Item>,
    made: &mut BTreeMap<String, Manifest>,
    under_way: &mut BTreeSet<String>,
) -> (String, &'static str) {
    assert!(under_way.insert(label.to_owned()), "{label} contains itself, which no digest can");
    let item = items.get(label).cloned().unwrap_or_default();
    let subject = item.subject.as_ref().map(|subject| manifest(subject, items, made, under_way).0);
    let media_type = if item.is_index { INDEX } else { IMAGE };
    let children: Vec<_> = item
        .children
        .iter()
        .enumerate()
        .map(|(number, (child, _, for_platform))| {
            let (digest, media_type) = manifest(child, items, made, under_way);
            (digest, media_type, for_platform.then(|| PLATFORMS[number % PLATFORMS.len()]))
        })
        .collect();
    let manifest = match item.is_index {
        true => Manifest::of_index(label, &children, subject.as_deref()),
        false => Manifest::of_image(label, subject.as_deref()),
    };
    under_way.remove(label);
    let digest = manifest.digest();
    if items.contains_key(label) {
        made.insert(label.to_owned(), manifest);
    }
    (digest, media_type)
}
