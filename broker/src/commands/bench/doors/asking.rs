//! Requests as a browser writes them: nine headers more than are needed, which is what short polling costs.

/// Who is asked for what.
pub(super) struct Asking {
    authority: String,
    /// With the destination.
    path: String,
}

/// As Chromium 156 on Debian sends it from a page of the broker's own host.
const BROWSER: &str = "\
sec-ch-ua-platform: \"Linux\"\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36\r\n\
sec-ch-ua: \"Not:A-Brand\";v=\"8\", \"Chromium\";v=\"156\"\r\n\
sec-ch-ua-mobile: ?0\r\n\
Sec-Fetch-Site: same-origin\r\n\
Sec-Fetch-Mode: cors\r\n\
Sec-Fetch-Dest: empty\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: en-US,en;q=0.9\r\n";

impl Asking {
    pub(super) fn new(authority: &str, destination: &str) -> Asking {
        Asking { authority: authority.to_owned(), path: format!("/v1/messages?destination={destination}") }
    }

    /// A question for a page, with `query` behind the destination. `tag` is of the page that is known.
    pub(super) fn page(&self, query: &str, tag: Option<&str>) -> Vec<u8> {
        let known = tag.map(|tag| format!("Cache-Control: max-age=0\r\nIf-None-Match: {tag}\r\n"));
        self.get(query, &format!("{}Accept: */*\r\n", known.unwrap_or_default()))
    }

    /// A question for an event stream.
    pub(super) fn events(&self, query: &str) -> Vec<u8> {
        self.get(query, "Pragma: no-cache\r\nCache-Control: no-cache\r\nAccept: text/event-stream\r\n")
    }

    /// An update, as a service sends it.
    pub(super) fn publish(&self, body: &str) -> Vec<u8> {
        let (Asking { authority, path }, length) = (self, body.len());
        format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    fn get(&self, query: &str, headers: &str) -> Vec<u8> {
        let Asking { authority, path } = self;
        format!(
            "GET {path}{query} HTTP/1.1\r\nHost: {authority}\r\nConnection: keep-alive\r\n{headers}{BROWSER}\
             Referer: http://{authority}/\r\n\r\n"
        )
        .into_bytes()
    }
}
