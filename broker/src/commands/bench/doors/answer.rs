//! An answer of HTTP/1.1, found in what has come so far.

use httparse::{EMPTY_HEADER, Response, Status};

/// A whole answer.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// As it stands behind `ETag`.
    pub(super) tag: Option<&'a str>,
    pub(super) body: &'a [u8],
    /// Of head and body. In bytes.
    pub(super) length: usize,
}

/// A head whose end has come.
pub(super) struct Head<'a> {
    pub(super) status: u16,
    /// In bytes.
    pub(super) length: usize,
    tag: Option<&'a str>,
    body_bytes: Option<usize>,
}

/// More headers than any answer has.
const HEADERS_MAX: usize = 32;

/// The head that `bytes` begin with, once it is whole.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head<'_>>, String> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut headers);
    let status = response.parse(bytes).map_err(|error| format!("the answer is no HTTP: {error}"))?;
    let Status::Complete(length) = status else { return Ok(None) };
    let status = response.code.unwrap_or_default();
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    let body_bytes = match status {
        204 | 304 => Some(0),
        _ => header("content-length").and_then(|value| value.trim().parse().ok()),
    };
    Ok(Some(Head { status, length, tag: header("etag"), body_bytes }))
}

/// The answer that `bytes` begin with, once it is whole.
pub(super) fn answer(bytes: &[u8]) -> Result<Option<Answer<'_>>, String> {
    let Some(head) = head(bytes)? else { return Ok(None) };
    let Some(body_bytes) = head.body_bytes else {
        return Err(format!("the answer with status {} does not say how long it is", head.status));
    };
    let length = head.length + body_bytes;
    let body = bytes.get(head.length..length);
    Ok(body.map(|body| Answer { status: head.status, tag: head.tag, body, length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\netag: W/\"1:2+0\"\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 304";
    const UNCHANGED: &[u8] = b"HTTP/1.1 304 Not Modified\r\netag: W/\"1:2+0\"\r\n\r\n";

    #[test]
    fn an_answer_is_there_when_its_last_byte_is() {
        let whole = PAGE.len() - b"HTTP/1.1 304".len();
        for end in 0..whole {
            assert!(answer(&PAGE[..end]).unwrap().is_none(), "{end} bytes");
        }
        let page = answer(PAGE).unwrap().unwrap();
        assert_eq!((page.status, page.tag, page.body, page.length), (200, Some("W/\"1:2+0\""), &b"hello"[..], whole));
        let unchanged = answer(UNCHANGED).unwrap().unwrap();
        assert_eq!((unchanged.status, unchanged.body.len(), unchanged.length), (304, 0, UNCHANGED.len()));
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        assert!(answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(answer(b"hello\r\n\r\n").is_err());
    }
}
