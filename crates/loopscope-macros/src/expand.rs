//! The function as it is compiled: its body inside of what counts it.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Error, ItemFn, Result, ReturnType, Signature, TraitItemFn, Type};

use crate::arguments::Arguments;
use crate::future::{self, Returned};

/// What the compiler and clippy would say of code that nobody wrote.
const QUIET: &str = "stands around a body that somebody else wrote";

pub(crate) fn track_call(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments: Arguments = syn::parse2(arguments)?;
    let function = parse_function(item)?;
    if let Some(word) = &function.sig.constness {
        let problem = "a `const fn` cannot be tracked: there is no clock where it may run";
        return Err(Error::new_spanned(word, problem));
    }
    let site = site(&arguments, &function.sig);
    let body = match future::returned(&function.sig.output) {
        _ if function.sig.asyncness.is_some() => asynchronous(&function),
        Some(returned) => returns_a_future(&function, returned),
        None => synchronous(&function),
    };
    let ItemFn {
        attrs, vis, sig, ..
    } = &function;
    Ok(quote! {
        #(#attrs)*
        #vis #sig {
            #site
            #body
        }
    })
}

fn parse_function(item: TokenStream) -> Result<ItemFn> {
    let Err(error) = syn::parse2::<ItemFn>(item.clone()) else {
        return syn::parse2(item);
    };
    let Ok(function) = syn::parse2::<TraitItemFn>(item) else {
        let problem = "`track_call` stands in front of a function or a method";
        return Err(Error::new(error.span(), problem));
    };
    let problem = "a function of a trait that has no body: put `track_call` in front of the one in the `impl`";
    Err(Error::new_spanned(function.sig, problem))
}

/// The counter, which is looked up once.
fn site(arguments: &Arguments, sig: &Signature) -> TokenStream {
    let group = &arguments.group;
    let ident = &sig.ident;
    let line = quote_spanned!(ident.span()=> ::core::line!());
    let name = match &arguments.name {
        Some(name) => quote!(::loopscope::__private::Name::Given(#name)),
        None => quote! {
            ::loopscope::__private::Name::Around(|| ::core::any::type_name_of_val(&__loopscope_here))
        },
    };
    // Its path is the function's own, which is known nowhere else.
    let here = arguments.name.is_none().then(|| {
        quote!(
            fn __loopscope_here() {}
        )
    });
    quote! {
        #here
        static __LOOPSCOPE_SITE: ::loopscope::__private::CallSite =
            ::loopscope::__private::CallSite::new(#group, #name, ::core::file!(), #line);
    }
}

fn synchronous(function: &ItemFn) -> TokenStream {
    let (output, body) = (&function.sig.output, body(function));
    let output = if future::is_opaque(output) {
        quote!()
    } else {
        quote!(#output)
    };
    let ended = ended();
    quote! {
        let mut __loopscope_call = __LOOPSCOPE_SITE.begin_sync();
        #[allow(unreachable_code, clippy::let_unit_value, clippy::diverging_sub_expression, reason = #QUIET)]
        let __loopscope_output = ::loopscope::__private::run(move || #output #body);
        #ended
        __loopscope_output
    }
}

fn asynchronous(function: &ItemFn) -> TokenStream {
    let body = body(function);
    let named = named_type(&function.sig.output);
    let (typed, hint) = match &named {
        // Says what the body returns, which its first `?` has to know. Never runs.
        Some(named) => (
            quote!(: #named),
            quote! {
                #[allow(unreachable_code, clippy::diverging_sub_expression, clippy::empty_loop, clippy::needless_return, reason = #QUIET)]
                if false {
                    let __loopscope_hint: #named = loop {};
                    return __loopscope_hint;
                }
            },
        ),
        None => (quote!(), quote!()),
    };
    let ended = ended();
    quote! {
        let mut __loopscope_call = __LOOPSCOPE_SITE.begin();
        #[allow(unreachable_code, clippy::let_unit_value, reason = #QUIET)]
        let __loopscope_output #typed = __loopscope_call.follow(async move { #hint #body }).await;
        #ended
        __loopscope_output
    }
}

fn returns_a_future(function: &ItemFn, returned: Returned) -> TokenStream {
    let (output, body) = (&function.sig.output, body(function));
    let ended = ended();
    let followed = quote! {
        async move {
            let mut __loopscope_call = __LOOPSCOPE_SITE.begin();
            #[allow(clippy::let_unit_value, reason = #QUIET)]
            let __loopscope_output = __loopscope_call.follow(__loopscope_future).await;
            #ended
            __loopscope_output
        }
    };
    match returned {
        Returned::Plain => quote! {
            let __loopscope_future = ::loopscope::__private::run(move || #body);
            #followed
        },
        Returned::Boxed => quote! {
            let __loopscope_future = ::loopscope::__private::run(move || #output #body);
            ::std::boxed::Box::pin(#followed)
        },
    }
}

/// Tells how the call ended. Which of these traits has the method says what the compiler knows of the output.
fn ended() -> TokenStream {
    quote! {
        #[allow(unreachable_code, clippy::needless_borrow, reason = #QUIET)]
        {
            #[allow(unused_imports, reason = #QUIET)]
            use ::loopscope::__private::{OfAny as _, OfDisplay as _, OfResult as _};
            __loopscope_call.ended((&&&::loopscope::__private::Output(&__loopscope_output)).failure());
        }
    }
}

fn body(function: &ItemFn) -> &syn::Block {
    &function.block
}

/// The type that a function returns, where it can be named again.
fn named_type(output: &ReturnType) -> Option<TokenStream> {
    match output {
        ReturnType::Default => Some(quote!(())),
        ReturnType::Type(_, written) if matches!(**written, Type::Never(_)) => None,
        _ if future::is_opaque(output) => None,
        ReturnType::Type(_, written) => Some(quote!(#written)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arguments: TokenStream, item: TokenStream) -> String {
        match track_call(arguments, item) {
            Ok(expanded) => panic!("it was taken: {expanded}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_cannot_be_tracked_is_refused_with_what_to_write() {
        let function = quote!(
            fn ask() {}
        );
        for (arguments, item, said) in [
            (quote!(), function.clone(), "write the group"),
            (quote!(agent), function.clone(), "write the group"),
            (quote!(""), function.clone(), "1 to 32 bytes"),
            (
                quote!("agent", nmae = "x"),
                function.clone(),
                "but `name = ",
            ),
            (quote!("agent", name = "x", 7), function, "but `name = "),
            (
                quote!("agent"),
                quote!(
                    const fn ask() {}
                ),
                "`const fn`",
            ),
            (
                quote!("agent"),
                quote!(
                    struct Agent;
                ),
                "in front of a function",
            ),
            (
                quote!("agent"),
                quote!(impl Agent { fn ask() {} }),
                "in front of a function",
            ),
            (
                quote!("agent"),
                quote!(
                    fn ask(&self) -> u32;
                ),
                "in the `impl`",
            ),
        ] {
            let told = refused(arguments, item);
            assert!(told.contains(said), "{told}");
        }
    }

    #[test]
    fn a_function_that_returns_a_future_is_followed_like_one_that_is_async() {
        let expanded = |item: TokenStream| track_call(quote!("agent"), item).unwrap().to_string();
        for future in [
            quote!(
                fn ask() -> impl Future<Output = u32> + Send {
                    async { 1 }
                }
            ),
            quote!(
                fn ask()
                -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = u32> + Send + 'static>>
                {
                }
            ),
            quote!(
                fn ask() -> BoxFuture<'static, u32> {}
            ),
            quote!(
                async fn ask() -> u32 {
                    1
                }
            ),
        ] {
            let expanded = expanded(future);
            assert!(expanded.contains("follow"), "{expanded}");
        }
        assert!(
            !expanded(quote!(
                fn ask() -> Box<dyn Iterator<Item = u32>> {}
            ))
            .contains("follow")
        );
    }
}
