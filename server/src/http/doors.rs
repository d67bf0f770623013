//! The list of all doors into the console, kept by building the router through it: a route that is not in the list
//! does not exist, so a test that walks the list misses none.

use axum::{Router, http::Method, routing::MethodRouter};
use quarterdeck_domain::access::Permission;

use super::state::AppState;

/// Who may come through a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody: probes, files, signing in.
    Public,
    /// Whoever is signed in and has this permission; others get 401 or 403.
    Call(Permission),
    /// The same for pages: who is not signed in is led to the sign-in page.
    Page(Permission),
    /// The same for forms.
    Form(Permission),
}

/// One method of one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The method.
    pub method: Method,
    /// The path as registered, with its parameters in braces.
    pub path: String,
    /// Who may.
    pub access: Access,
}

/// Builds a router and the list of its doors together.
#[derive(Debug, Default)]
pub struct Doors {
    router: Router<AppState>,
    list: Vec<Door>,
}

impl Doors {
    /// Adds a door that answers `GET`.
    #[must_use]
    pub fn get(self, path: &str, access: Access, handler: MethodRouter<AppState>) -> Self {
        self.add(Method::GET, path, access, handler)
    }

    /// Adds a door that answers `POST`.
    #[must_use]
    pub fn post(self, path: &str, access: Access, handler: MethodRouter<AppState>) -> Self {
        self.add(Method::POST, path, access, handler)
    }

    fn add(mut self, method: Method, path: &str, access: Access, handler: MethodRouter<AppState>) -> Self {
        self.list.push(Door {
            method,
            path: path.to_owned(),
            access,
        });
        Self {
            router: self.router.route(path, handler),
            ..self
        }
    }

    /// The router and its list.
    pub fn open(self) -> (Router<AppState>, Vec<Door>) {
        (self.router, self.list)
    }
}
