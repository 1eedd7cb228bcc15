//! Single values of inputs: words, truths, numbers, lists, addresses.

use std::{
    net::IpAddr,
    path::{Component, Path, PathBuf},
};

use reqwest::Url;

use super::nearest::nearest;

/// One of a few fixed words, spelled exactly so.
pub(super) fn word<T: Copy>(text: &str, words: &[(&'static str, T)]) -> Result<T, String> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    let near = nearest(text, &all).map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
    Err(format!("{text} is none of {}.{near}", all.join(", ")))
}

/// A boolean as GitHub's own actions read it (YAML 1.2 core schema, `getBooleanInput`).
pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err(format!("{text} is neither true nor false")),
    }
}

/// A whole number in digits, within bounds.
pub(super) fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = text.parse::<u64>().ok().filter(|value| digits && (least..=most).contains(value));
    value.ok_or_else(|| match most {
        u64::MAX => format!("{text} is not a whole number of {least} or more"),
        _ => format!("{text} is not a whole number from {least} to {most}"),
    })
}

/// A share, with or without the percent sign.
pub(super) fn percent(text: &str) -> Result<u8, String> {
    let digits = text.strip_suffix('%').map_or(text, str::trim_end);
    let value =
        number(digits, 0, 100).map_err(|_| format!("{text} is not a whole number of percent from 0% to 100%"))?;
    u8::try_from(value).map_err(|error| error.to_string())
}

/// Points a minute; `None` for zero, which is no limit.
pub(super) fn points(text: &str) -> Result<Option<u32>, String> {
    let points = u32::try_from(number(text, 0, u64::from(u32::MAX))?).map_err(|error| error.to_string())?;
    match points {
        0 => Ok(None),
        1..=5 => {
            Err("a change costs 5 points and a look before it 1, so nothing could ever go: write 6 or more, or 0 \
                      for no limit"
                .to_owned())
        }
        _ => Ok(Some(points)),
    }
}

/// The lines of a list, trimmed, without blank ones.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// The items of a list that commas separate as well.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', ',']).map(str::trim).filter(|item| !item.is_empty())
}

/// The base address of a server: https, or http on this machine alone, since a token goes there.
pub(super) fn address(text: &str) -> Result<Url, String> {
    if text.contains('@') {
        // whatever else it is, it may hold a password: it is not repeated
        return Err("an address has a host and no user: write it like https://HOST".to_owned());
    }
    let url =
        Url::parse(text).map_err(|error| format!("{text} is no address ({error}): write it like https://HOST"))?;
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err(format!("{text} would send the token in the clear: write https://{host}")),
        other => return Err(format!("{text} has the scheme {other}: write it like https://HOST")),
    }
    if host.is_empty() {
        return Err(format!("{text} has no host: write it like https://HOST"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{text} has a query or a fragment: write it like https://HOST/path"));
    }
    Ok(url)
}

/// The path of a file that lies below one of the roots, as far as the text tells; the first root
/// is where relative paths start.
pub(super) fn path_below(text: &str, roots: &[PathBuf]) -> Result<PathBuf, String> {
    let outside = || {
        format!(
            "{text} is outside of the workspace as this container sees it: write it relative to the workspace, without \
             github.workspace or runner.temp, which are paths outside of the container"
        )
    };
    if text.ends_with('/') || text.chars().any(char::is_control) {
        return Err(format!("{text} names no file"));
    }
    let start = roots.first().map(PathBuf::as_path).unwrap_or(Path::new("/"));
    let path = without_dots(&start.join(text));
    let inside = roots.iter().map(|root| without_dots(root)).any(|root| path.starts_with(&root) && path != root);
    if inside { Ok(path) } else { Err(outside()) }
}

/// A path without `.` and `..`, as the text goes.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_within_bounds() {
        assert_eq!(number("0", 0, u64::MAX), Ok(0));
        assert_eq!(number("90", 1, 90), Ok(90));
        for text in ["", "+5", "-1", "1.5", "1e3", " 5", "99999999999999999999", "91", "0"] {
            assert!(number(text, 1, 90).is_err(), "{text}");
        }
        assert_eq!((percent("10%"), percent("10"), percent("10 %"), percent("0")), (Ok(10), Ok(10), Ok(10), Ok(0)));
        assert!(["", "%", "101", "-1%", "ten"].iter().all(|text| percent(text).is_err()));
    }

    #[test]
    fn the_token_goes_out_over_https_or_stays_on_this_machine() {
        for (text, fine) in [
            ("https://api.github.com", true),
            ("https://github.example.com/api/v3/", true),
            ("http://127.0.0.1:8080", true),
            ("http://127.1.2.3", true),
            ("http://[::1]:8080/api", true),
            ("http://localhost:1", true),
            ("http://api.github.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://localhost.example.com", false),
            ("http://128.0.0.1", false),
            ("ftp://localhost", false),
            ("https://user:secret@api.github.com", false),
            ("user:secret@api.github.com", false),
            ("https://api.github.com/?a=b", false),
            ("https://api.github.com/#a", false),
            ("api.github.com", false),
            ("", false),
        ] {
            assert_eq!(address(text).is_ok(), fine, "{text}");
        }
        for text in ["https://user:secret@h", "user:secret@h", "http://user:secret@h", "ftp://secret@h"] {
            assert!(address(text).is_err_and(|error| !error.contains("secret")), "{text}");
        }
        assert!(address("http://api.github.com").is_err_and(|error| error.contains("https://api.github.com")));
    }

    #[test]
    fn a_path_stays_below_the_workspace_or_the_temporary_folder() {
        let roots = [PathBuf::from("/workspace"), PathBuf::from("/temp")];
        for (text, path) in [
            ("report.json", Some("/workspace/report.json")),
            ("a/b.json", Some("/workspace/a/b.json")),
            ("./a/../b.json", Some("/workspace/b.json")),
            ("/workspace/b.json", Some("/workspace/b.json")),
            ("/temp/b.json", Some("/temp/b.json")),
            ("../b.json", None),
            ("/workspace/../b.json", None),
            ("/workspaces/b.json", None),
            ("/etc/b.json", None),
            ("a/", None),
            ("a\nstatus=complete", None),
            ("..", None),
            (".", None),
        ] {
            assert_eq!(path_below(text, &roots).ok(), path.map(PathBuf::from), "{text}");
        }
    }
}
