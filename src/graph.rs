//! The image graph: the versions of a container package joined by what their manifests say.
//!
//! An index has children, at any depth; a referrer has a subject, by its manifest's `subject` or
//! by a fallback tag (OCI distribution specification, "Referrers Tag Schema"). What stays needs its
//! children and its referrers, and so on.
//!
//! Versions are told apart by their place in the list that the graph was made of, newest first.
//! Fallback tags may run in a circle, and so does an index that refers to a child of its own: every
//! walk remembers where it was.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::{
    manifest::{Manifest, Manifests},
    model::{Version, subject_of_fallback_tag},
    report::Role,
};

/// The versions of one package and how they hang together.
#[derive(Clone, Debug, Default)]
pub struct ImageGraph {
    nodes: Vec<Node>,
    holds_images: bool,
}

#[derive(Clone, Debug, Default)]
struct Node {
    is_root: bool,
    is_index: bool,
    is_dangling: bool,
    /// What it lists that is there.
    children: Vec<usize>,
    /// What lists it.
    parents: Vec<usize>,
    /// What it refers to that is there.
    subjects: Vec<usize>,
    /// What refers to it.
    referrers: Vec<usize>,
    /// Digests it lists that are not there.
    missing: Vec<String>,
    /// Digests it refers to that are not there.
    lost: Vec<String>,
}

impl ImageGraph {
    /// Joins versions by their fallback tags and by those of their manifests that were read.
    pub fn new<'a>(versions: impl Iterator<Item = &'a Version> + Clone, manifests: &Manifests) -> Self {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, version) in versions.clone().enumerate() {
            places.entry(&version.name).or_default().push(place);
        }
        let mut nodes: Vec<Node> = places.values().flatten().map(|_| Node::default()).collect();
        for (place, version) in versions.clone().enumerate() {
            let manifest = manifests.read.get(&version.name);
            nodes[place].is_index = manifest.is_some_and(|manifest| manifest.is_index);
            nodes[place].is_dangling = manifests.absent.contains(&version.name);
            for digest in listed_by(manifest) {
                match places.get(digest) {
                    Some(children) => join(&mut nodes, place, children, |node| (&mut node.children, &mut node.parents)),
                    None => add(&mut nodes[place].missing, digest.to_owned()),
                }
            }
            for digest in subjects_of(version.tags.as_deref().unwrap_or_default(), manifest) {
                match places.get(digest.as_str()) {
                    Some(subjects) => {
                        join(&mut nodes, place, subjects, |node| (&mut node.subjects, &mut node.referrers));
                    }
                    None => add(&mut nodes[place].lost, digest),
                }
            }
        }
        let is_image = |node: &Node| {
            let refers = !node.subjects.is_empty() || !node.lost.is_empty();
            !refers && !node.is_dangling && node.parents.is_empty()
        };
        let mut graph = Self { holds_images: nodes.iter().any(is_image), nodes };
        let tagged: Vec<_> = places_of(versions, |version| version.own_tags().next().is_some());
        graph.find_roots(tagged);
        graph
    }

    /// Marks what nothing needs; of a circle that nothing else needs, the newest that has a tag of
    /// its own, or else the newest.
    fn find_roots(&mut self, tagged: Vec<usize>) {
        let mut anchored = vec![false; self.nodes.len()];
        let free: Vec<_> = (0..self.nodes.len()).filter(|place| self.needed_by(*place).next().is_none()).collect();
        let count = free.len();
        for (number, root) in free.into_iter().chain(tagged).chain(0..self.nodes.len()).enumerate() {
            if anchored[root] || (number >= count && !self.leads_a_circle(root, |_| true)) {
                continue;
            }
            self.nodes[root].is_root = true;
            for place in self.reached(root, |place| self.needs(place).collect()) {
                anchored[place] = true;
            }
        }
    }

    /// Whether everything that needs it is needed by it, of the places that are looked at.
    pub fn leads_a_circle(&self, place: usize, among: impl Fn(usize) -> bool) -> bool {
        let needed = self.reached(place, |place| self.needs(place).filter(|place| among(*place)).collect());
        self.reached(place, |place| self.needed_by(place).filter(|place| among(*place)).collect()).is_subset(&needed)
    }

    fn reached(&self, start: usize, next: impl Fn(usize) -> Vec<usize>) -> HashSet<usize> {
        let mut reached = HashSet::from([start]);
        let mut queue = vec![start];
        while let Some(place) = queue.pop() {
            queue.extend(next(place).into_iter().filter(|place| reached.insert(*place)));
        }
        reached
    }

    /// Whether there is any image among the versions, and not referrers alone.
    pub fn holds_images(&self) -> bool {
        self.holds_images
    }

    /// Its place in an image. What refers to something is a referrer, even where a fallback index
    /// lists it.
    pub fn role(&self, place: usize) -> Role {
        let node = &self.nodes[place];
        match (node.is_root, node.subjects.is_empty()) {
            (true, _) => Role::Root,
            (false, true) => Role::Child,
            (false, false) => Role::Referrer,
        }
    }

    /// Whether the registry says that there is no such manifest, although it is listed.
    pub fn is_dangling(&self, place: usize) -> bool {
        self.nodes[place].is_dangling
    }

    /// What it needs as long as it stays. What nobody can pull needs nothing.
    pub fn needs(&self, place: usize) -> impl Iterator<Item = usize> {
        let node = &self.nodes[place];
        node.children.iter().chain(&node.referrers).copied().filter(|_| !node.is_dangling)
    }

    /// What needs it as long as that stays.
    pub fn needed_by(&self, place: usize) -> impl Iterator<Item = usize> {
        let node = &self.nodes[place];
        node.parents.iter().chain(&node.subjects).copied().filter(|needer| !self.nodes[*needer].is_dangling)
    }

    /// What it lists that is there.
    pub fn children(&self, place: usize) -> &[usize] {
        &self.nodes[place].children
    }

    /// What lists it.
    pub fn parents(&self, place: usize) -> &[usize] {
        &self.nodes[place].parents
    }

    /// Digests it lists that are not there.
    pub fn missing(&self, place: usize) -> &[String] {
        &self.nodes[place].missing
    }

    /// Whether it is an index that lists something, and nothing of that is there.
    pub fn is_ghost(&self, place: usize) -> bool {
        let node = &self.nodes[place];
        node.is_index && node.children.is_empty() && !node.missing.is_empty()
    }

    /// Whether it is an index of which only a part is there.
    pub fn is_partial(&self, place: usize) -> bool {
        let node = &self.nodes[place];
        node.is_index && !node.children.is_empty() && !node.missing.is_empty()
    }

    /// The digests it refers to, if it refers to something and nothing of that is there.
    pub fn lost_subjects(&self, place: usize) -> &[String] {
        let node = &self.nodes[place];
        if node.subjects.is_empty() { &node.lost } else { &[] }
    }

    /// Whether it refers to anything, there or not.
    pub fn is_referrer(&self, place: usize) -> bool {
        let node = &self.nodes[place];
        !node.subjects.is_empty() || !node.lost.is_empty()
    }

    /// A graph in which nothing hangs together.
    pub fn without_edges(size: usize) -> Self {
        Self { nodes: vec![Node { is_root: true, ..Node::default() }; size], holds_images: true }
    }

    /// How many versions there are.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// For every place, on whose behalf it has to stay as long as these stay: `None` for what
    /// nothing needs. Of several, the first seed is named.
    pub fn closure(&self, seeds: impl Iterator<Item = usize>) -> Vec<Option<usize>> {
        let mut needed = vec![None; self.nodes.len()];
        for seed in seeds {
            let mut queue = VecDeque::from([seed]);
            while let Some(place) = queue.pop_front() {
                for part in self.needs(place).filter(|part| *part != seed) {
                    if needed[part].is_none() {
                        needed[part] = Some(seed);
                        queue.push_back(part);
                    }
                }
            }
        }
        needed
    }
}

fn listed_by(manifest: Option<&Manifest>) -> impl Iterator<Item = &str> {
    manifest.into_iter().flat_map(|manifest| &manifest.children).map(|child| child.digest.as_str())
}

fn places_of<'a>(versions: impl Iterator<Item = &'a Version>, wanted: impl Fn(&Version) -> bool) -> Vec<usize> {
    versions.enumerate().filter(|(_, version)| wanted(version)).map(|(place, _)| place).collect()
}

/// The digests a version refers to: the subject of its manifest, and what its fallback tags name.
pub fn subjects_of(tags: &[String], manifest: Option<&Manifest>) -> impl Iterator<Item = String> {
    let by_tag = tags.iter().filter_map(|tag| subject_of_fallback_tag(tag));
    let by_manifest = manifest.and_then(|manifest| manifest.subject.clone());
    by_tag.chain(by_manifest)
}

/// Joins a place to others, on both sides, each once; nothing is joined to itself.
fn join(
    nodes: &mut [Node],
    place: usize,
    others: &[usize],
    sides: fn(&mut Node) -> (&mut Vec<usize>, &mut Vec<usize>),
) {
    for other in others.iter().copied().filter(|other| *other != place) {
        add(sides(&mut nodes[place]).0, other);
        add(sides(&mut nodes[other]).1, place);
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
