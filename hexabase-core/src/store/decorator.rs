//! Decorators of the system of record.

use std::fmt;

use crate::error::Result;
use crate::store::TenantStore;

/// A [`TenantStore`] that passes every call on to another one, such as one that measures calls or injects faults. Each part
/// of the system of record is implemented for it.
pub trait StoreDecorator: fmt::Debug + Send + Sync + 'static {
    /// The decorated store.
    fn inner(&self) -> &dyn TenantStore;

    /// Makes a call of the decorated store. `method` is the name of the called method.
    ///
    /// # Errors
    /// Errors of the call, and those of the decorator.
    fn around<T: Send + 'static>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Result<T>> + Send;
}

/// Declares a part of the system of record, and implements it for every [`StoreDecorator`].
macro_rules! store_part {
    (
        $(#[$doc:meta])*
        pub trait $part:ident {
            $(
                $(#[$method_doc:meta])*
                async fn $method:ident(&self $(, $argument:ident: $type:ty)* $(,)?) -> $result:ty;
            )+
        }
    ) => {
        $(#[$doc])*
        #[async_trait::async_trait]
        pub trait $part: std::fmt::Debug + Send + Sync + 'static {
            $(
                $(#[$method_doc])*
                async fn $method(&self $(, $argument: $type)*) -> $result;
            )+
        }

        #[cfg(test)]
        impl dyn $part {
            /// Names of the methods, as a decorator receives them.
            pub(crate) const METHODS: &'static [&'static str] = &[$(stringify!($method)),+];
        }

        #[async_trait::async_trait]
        impl<D: $crate::store::StoreDecorator> $part for D {
            $(
                async fn $method(&self $(, $argument: $type)*) -> $result {
                    self.around(stringify!($method), self.inner().$method($($argument),*)).await
                }
            )+
        }
    };
}
pub(super) use store_part;
