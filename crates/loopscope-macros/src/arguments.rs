//! What stands in the attribute's brackets.

use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitStr, Result, Token};

/// Longest name of a group that a recording keeps.
const GROUP_BYTES: usize = 32;

const USAGE: &str = "write the group that the calls are counted in: `#[track_call(\"agent\")]`";

/// `"agent"`, or `"agent", name = "ask"`.
pub(crate) struct Arguments {
    pub(crate) group: LitStr,
    pub(crate) name: Option<LitStr>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let group: LitStr = input
            .parse()
            .map_err(|error| Error::new(error.span(), USAGE))?;
        let length = group.value().len();
        if length == 0 || length > GROUP_BYTES {
            let problem = format!("a group has 1 to {GROUP_BYTES} bytes, this one has {length}");
            return Err(Error::new(group.span(), problem));
        }
        let mut name = None;
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            name = Some(parse_name(input)?);
            input.parse::<Option<Token![,]>>()?;
        }
        if !input.is_empty() {
            return Err(input.error("nothing else is taken here but `name = \"...\"`"));
        }
        Ok(Self { group, name })
    }
}

fn parse_name(input: ParseStream<'_>) -> Result<LitStr> {
    let word: Ident = input.parse()?;
    if word != "name" {
        return Err(Error::new(
            word.span(),
            "nothing else is taken here but `name = \"...\"`",
        ));
    }
    input.parse::<Token![=]>()?;
    input.parse()
}
