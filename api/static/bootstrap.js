// Sends the code that stands after `#` in the page's address, and goes where the answer says.
const code = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const answer = await fetch("/bootstrap", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Unisson-Request": "1" },
    body: JSON.stringify({ code, territory: form.get("territory"), agency: form.get("agency") }),
  });
  const told = await answer.json();
  if (answer.ok) location.assign(told.location);
  else document.querySelector("[role=alert]").textContent = told.detail;
});
