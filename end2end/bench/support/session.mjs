// Signs in as a browser without scripts does, and gives the cookies.

/** The value of the header `cookie` for an account { name, password } of the console at `url`. */
export async function signIn(url, { name, password }) {
  const page = await fetch(`${url}/sign-in`, { headers: { accept: "text/html" } });
  const csrf = (await page.text()).match(/name="csrf"[^>]*value="([^"]*)"|value="([^"]*)"[^>]*name="csrf"/);
  if (!csrf) throw new Error(`the sign-in page of ${url} holds no form code (status ${page.status})`);
  const answer = await fetch(`${url}/sign-in`, {
    method: "POST",
    redirect: "manual",
    headers: { cookie: cookies(page), "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ username: name, password, next: "/", csrf: csrf[1] ?? csrf[2] }),
  });
  const place = answer.headers.get("location");
  if (answer.status !== 303 || place !== "/") {
    throw new Error(`${name} could not sign in at ${url}: status ${answer.status}, leads to ${place}`);
  }
  return cookies(answer);
}

function cookies(response) {
  return response.headers
    .getSetCookie()
    .filter((cookie) => !/max-age=0(;|$)/i.test(cookie))
    .map((cookie) => cookie.split(";")[0])
    .join("; ");
}
