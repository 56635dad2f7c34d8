"""What there is at `/`: the Console for a browser, the state for a program; and who may be addressed at all."""


def test_a_program_learns_whether_calls_are_served(hub):
    with hub.client(None) as http:
        for accept in ("application/json", "*/*", ""):
            answer = http.get("/", headers={"accept": accept})
            assert answer.status_code == 200
            assert answer.json() == {"status": "serving", "message": "Calls are served.", "data_plane": hub.url}
        page = http.get("/", headers={"accept": "text/html,*/*"})
        assert (page.status_code, page.headers["location"]) == (303, "/console")


def test_another_host_is_refused_in_every_shape(hub):
    with hub.client() as http:
        for path in ("/", "/v1/models", "/mcp/both", "/api/v1/me", "/console"):
            answer = http.get(path, headers={"host": "evil.example"})
            assert (answer.status_code, "HUB_ALLOWED_HOSTS" in answer.text) == (403, True)
