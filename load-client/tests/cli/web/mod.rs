//! The live page of the built program: requests by HTTP, and in a browser if there is one.

mod chromium;
mod idle;
mod orders;
mod page;
mod screenshots;
