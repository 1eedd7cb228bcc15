//! How a registry asks for a token: the challenge of an answer with status 401.
//!
//! See RFC 9110, section 11.6.1, and the distribution project's "Token Authentication Specification"
//! (<https://distribution.github.io/distribution/spec/auth/token/>).

/// Where a token is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// The address of the token server.
    pub(super) realm: String,
    /// The name the registry has there.
    pub(super) service: Option<String>,
}

/// Reads the header `WWW-Authenticate`; `None` where it asks for anything but a bearer token.
///
/// The scope is left aside: a client knows best what it is about to do, and ghcr.io names a
/// repository that does not exist where none was asked for.
pub(super) fn read(header: &str) -> Option<Challenge> {
    let (scheme, mut rest) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service) = (None, None);
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value.to_owned()),
            "service" => service = Some(value.to_owned()),
            _ => {}
        }
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    Some(Challenge { realm: realm?, service })
}

#[cfg(test)]
mod tests {
    use super::{Challenge, read};

    #[test]
    fn realm_and_service_are_found_in_any_order_and_spelling() {
        let expected = Challenge { realm: "https://ghcr.io/token".into(), service: Some("ghcr.io".into()) };
        for header in [
            r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:user/image:pull""#,
            r#"bearer scope="a,b=c", service="ghcr.io" , realm="https://ghcr.io/token""#,
            r#"Bearer Realm="https://ghcr.io/token", service=ghcr.io"#,
        ] {
            assert_eq!(read(header), Some(expected.clone()), "{header}");
        }
        for header in ["", "Bearer", r#"Basic realm="x""#, r#"Bearer service="x""#, r#"Bearer realm="x"#] {
            assert_eq!(read(header), None, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(header in r#"Bearer [a-z=", ]{0,40}"#) {
            read(&header);
        }
    }
}
