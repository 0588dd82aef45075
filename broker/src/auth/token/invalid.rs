//! What can be wrong with a token.

/// Why a token is not valid. Names claims as the settings do, and repeats nothing of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No broker of ours would be sent such a long one.
    #[error("it is longer than 16 KiB")]
    TooLong,
    /// Not three parts of base64url.
    #[error("it is not three parts of base64url")]
    Shape,
    /// The header is no JSON object, or not that of a signed token.
    #[error("its header cannot be read")]
    Header,
    /// The header demands what we do not know.
    #[error("its header demands an extension (crit)")]
    Critical,
    /// No algorithm that is allowed here.
    #[error("its algorithm is not allowed here")]
    Algorithm,
    /// There is no key of that name.
    #[error("it is signed with a key that is not known here")]
    UnknownKey,
    /// No key of ours made this signature.
    #[error("its signature is wrong")]
    Signature,
    /// The claims are no JSON object, or a name stands twice.
    #[error("its claims cannot be read")]
    Claims,
    /// It is not valid yet.
    #[error("it is not valid yet (nbf)")]
    NotYet,
    /// Made by somebody else.
    #[error("it is of another issuer (iss)")]
    Issuer,
    /// Made for somebody else.
    #[error("it is for another audience (aud)")]
    Audience,
    /// A claim that must be there is not.
    #[error("the claim {0} is missing")]
    Missing(Box<str>),
    /// A claim is not what it must be.
    #[error("the claim {0} {1}")]
    Claim(Box<str>, &'static str),
    /// No tokens are accepted at all.
    #[error("tokens are not accepted here")]
    NotAccepted,
}
