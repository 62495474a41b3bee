// Applies the chosen theme before the page is drawn. Without a choice, the system's theme applies.
"use strict";
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Without storage, the system's theme applies.
}
