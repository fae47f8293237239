// Sets the remembered theme before the first paint and says that scripts run. A plain script, so that it blocks.
document.documentElement.classList.add("js");
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; then the theme follows the system.
}
