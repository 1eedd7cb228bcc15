//! Puts tags on manifests that are there: to bring a tag back, never to move one.

use reqwest::{Method, header::CONTENT_TYPE};

use super::{Call, Registry, says};
use crate::{
    failure::{Failure, FailureKind},
    manifest::{Manifest, digest_of},
    transport::Received,
};

impl Registry {
    /// Puts a tag on a manifest that is there, if it is on nothing. Returns the digest it is on
    /// otherwise, and leaves it there.
    ///
    /// # Errors
    ///
    /// When the manifest cannot be read, or the registry does not take it under the tag: most often
    /// the token may not write the package.
    pub async fn put_tag(&self, repository: &str, digest: &str, tag: &str) -> Result<Option<String>, Failure> {
        if let Some((_, bytes)) = self.raw(repository, tag).await? {
            let bearer = digest_of(&bytes);
            return Ok((bearer != digest).then_some(bearer));
        }
        let Some((media_type, bytes)) = self.raw(repository, digest).await?.filter(|(_, it)| digest_of(it) == digest)
        else {
            let address = self.address(&format!("v2/{repository}/manifests/{digest}"));
            let call = Call::new(Method::GET, address, None);
            return Err(call.failure(FailureKind::Status(404), "the registry does not give it out".to_owned()));
        };
        match self.push(repository, tag, &media_type, bytes).await {
            // one without an answer may have been heard all the same
            Err(failure) if failure.perhaps_done => match self.raw(repository, tag).await {
                Ok(Some((_, bytes))) if digest_of(&bytes) == digest => Ok(None),
                Ok(_) => Err(Failure { perhaps_done: false, ..failure }),
                Err(_) => Err(failure),
            },
            pushed => pushed.map(|()| None),
        }
    }

    /// A manifest byte by byte, and its media type; `None` if the registry says there is none.
    async fn raw(&self, repository: &str, reference: &str) -> Result<Option<(String, Vec<u8>)>, Failure> {
        let address = self.address(&format!("v2/{repository}/manifests/{reference}"));
        let parse = |received: &Received, body: &[u8]| match received.status {
            200 => {
                let media_type = received.header(CONTENT_TYPE.as_str());
                // an outage may answer with a page, which is on no tag
                Manifest::parse(media_type, body)?;
                Ok(Some((media_type.unwrap_or_default().to_owned(), body.to_vec())))
            }
            404 if says(body, "MANIFEST_UNKNOWN") => Ok(None),
            status => Err(format!("status {status}")),
        };
        self.call(repository, "pull", Call::new(Method::GET, address, None), parse).await
    }

    /// A repository as people who pull write it: with the registry's host.
    pub fn image(&self, repository: &str) -> String {
        let host = self.base.as_str().trim_start_matches("https://").trim_start_matches("http://");
        format!("{}/{repository}", host.trim_end_matches('/'))
    }
}
