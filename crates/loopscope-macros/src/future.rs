//! Which functions that are not `async` return a future, and in what.

use syn::{GenericArgument, Path, PathArguments, ReturnType, Type, TypeParamBound};

/// What a function that is not `async` returns a future in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returned {
    /// `impl Future`.
    Plain,
    /// `Pin<Box<dyn Future>>`, or an alias that `futures` has for it.
    Boxed,
}

/// Told from how the type is written; `None` for any other.
pub(crate) fn returned(output: &ReturnType) -> Option<Returned> {
    let ReturnType::Type(_, written) = output else {
        return None;
    };
    match &**written {
        Type::ImplTrait(opaque) => opaque
            .bounds
            .iter()
            .any(is_future)
            .then_some(Returned::Plain),
        Type::Path(named) if is_boxed(&named.path) => Some(Returned::Boxed),
        _ => None,
    }
}

/// Whether the type says `impl` anywhere: then it can be named nowhere else.
pub(crate) fn is_opaque(output: &ReturnType) -> bool {
    fn within(tokens: proc_macro2::TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            proc_macro2::TokenTree::Ident(word) => word == "impl",
            proc_macro2::TokenTree::Group(group) => within(group.stream()),
            _ => false,
        })
    }
    within(quote::ToTokens::to_token_stream(output))
}

fn is_boxed(path: &Path) -> bool {
    let Some(last) = path.segments.last() else {
        return false;
    };
    if last.ident == "BoxFuture" || last.ident == "LocalBoxFuture" {
        return true;
    }
    let boxed = if last.ident == "Pin" {
        argument_of(path)
    } else {
        None
    };
    let Some(Type::Path(boxed)) = boxed else {
        return false;
    };
    let is_box = boxed
        .path
        .segments
        .last()
        .is_some_and(|last| last.ident == "Box");
    let inner = if is_box {
        argument_of(&boxed.path)
    } else {
        None
    };
    matches!(inner, Some(Type::TraitObject(object)) if object.bounds.iter().any(is_future))
}

/// The type between the angle brackets of a path's last part.
fn argument_of(path: &Path) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &path.segments.last()?.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(written) => Some(written),
        _ => None,
    })
}

fn is_future(bound: &TypeParamBound) -> bool {
    let TypeParamBound::Trait(bound) = bound else {
        return false;
    };
    bound
        .path
        .segments
        .last()
        .is_some_and(|last| last.ident == "Future")
}
