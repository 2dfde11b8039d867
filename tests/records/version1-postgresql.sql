CREATE TABLE public.askers (
    message character varying(255) NOT NULL,
    run character varying(32) NOT NULL,
    who character varying(255) NOT NULL,
    triggered_by json,
    asked_at timestamp with time zone NOT NULL,
    withdrawn boolean NOT NULL
);

CREATE TABLE public.audit (
    id integer NOT NULL,
    at timestamp with time zone NOT NULL,
    run character varying(32),
    who character varying(255) NOT NULL,
    event character varying(32) NOT NULL,
    details json NOT NULL
);

CREATE SEQUENCE public.audit_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.audit_id_seq OWNED BY public.audit.id;

CREATE TABLE public.bases (
    scope character varying(64) NOT NULL,
    namespace character varying(160) NOT NULL,
    kind character varying(16) NOT NULL,
    items json NOT NULL,
    settled boolean NOT NULL,
    version integer NOT NULL
);

CREATE TABLE public.meta (
    version integer NOT NULL
);

CREATE SEQUENCE public.meta_version_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.meta_version_seq OWNED BY public.meta.version;

CREATE TABLE public.pairs (
    scope character varying(64) NOT NULL,
    target json NOT NULL,
    commit_id character varying(64) NOT NULL
);

CREATE TABLE public.parts (
    run character varying(32) NOT NULL,
    namespace character varying(160) NOT NULL,
    kind character varying(16) NOT NULL,
    state character varying(16) NOT NULL,
    survey character varying(64),
    result character varying(64)
);

CREATE TABLE public.reviews (
    id integer NOT NULL,
    run character varying(32) NOT NULL,
    plan_digest character varying(64) NOT NULL,
    decision character varying(16) NOT NULL,
    person character varying(255) NOT NULL,
    reason text,
    at timestamp with time zone NOT NULL
);

CREATE SEQUENCE public.reviews_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.reviews_id_seq OWNED BY public.reviews.id;

CREATE TABLE public.runs (
    seq integer NOT NULL,
    id character varying(32) NOT NULL,
    task json NOT NULL,
    equality character varying(64) NOT NULL,
    sync character varying(64) NOT NULL,
    state character varying(16) NOT NULL,
    epoch integer NOT NULL,
    phase character varying(16),
    revived integer NOT NULL,
    cancelled_by character varying(255),
    asked_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    planned_at timestamp with time zone,
    ended_at timestamp with time zone,
    moved_at timestamp with time zone NOT NULL,
    target json,
    base_commit character varying(64),
    new_branch boolean NOT NULL,
    facts json NOT NULL,
    plan_digest character varying(64),
    plan character varying(64),
    patch character varying(64),
    ion character varying(64),
    deletions integer,
    counts json,
    problems json NOT NULL,
    commit_id character varying(64),
    commit_url text,
    follows character varying(32),
    followed_by character varying(32),
    depth integer NOT NULL
);

CREATE SEQUENCE public.runs_seq_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.runs_seq_seq OWNED BY public.runs.seq;

CREATE TABLE public.servers (
    url text NOT NULL,
    uuid character varying(64) NOT NULL
);

CREATE TABLE public.writes (
    run character varying(32) NOT NULL,
    namespace character varying(160) NOT NULL,
    phase character varying(16) NOT NULL,
    changes character varying(64) NOT NULL,
    namespaces json NOT NULL,
    result character varying(64)
);

ALTER TABLE ONLY public.audit ALTER COLUMN id SET DEFAULT nextval('public.audit_id_seq'::regclass);

ALTER TABLE ONLY public.meta ALTER COLUMN version SET DEFAULT nextval('public.meta_version_seq'::regclass);

ALTER TABLE ONLY public.reviews ALTER COLUMN id SET DEFAULT nextval('public.reviews_id_seq'::regclass);

ALTER TABLE ONLY public.runs ALTER COLUMN seq SET DEFAULT nextval('public.runs_seq_seq'::regclass);

INSERT INTO public.askers VALUES ('69cff835-1de1-43dc-9dfe-a15b7f34d073', 'rdyt67g4hwm', 'message 69cff835-1de1-43dc-9dfe-a15b7f34d073', 'null', '2026-11-24 10:40:59.430382+00', false);
INSERT INTO public.askers VALUES ('6edf60aa-abcb-4dee-8ae8-4f1bc959d609', 'rnxd5gd7p97', 'message 6edf60aa-abcb-4dee-8ae8-4f1bc959d609', 'null', '2026-11-24 10:41:01.362646+00', false);
INSERT INTO public.askers VALUES ('924bce8e-89ef-4763-aa32-b51d9923a48b', 'rpfe48q9455', 'message 924bce8e-89ef-4763-aa32-b51d9923a48b', 'null', '2026-11-24 10:41:02.108054+00', false);
INSERT INTO public.askers VALUES ('25a58de5-9579-44d3-9fc5-f45a0571db53', 'ra8mckgpfkf', 'message 25a58de5-9579-44d3-9fc5-f45a0571db53', 'null', '2026-11-24 10:41:02.487984+00', false);
INSERT INTO public.askers VALUES ('ba84f48a-961d-43b9-bfbe-cd8930ac5f9e', 'rdy5bwrjvx2', 'message ba84f48a-961d-43b9-bfbe-cd8930ac5f9e', 'null', '2026-11-24 10:41:04.985437+00', false);

INSERT INTO public.audit VALUES (1, '2026-11-24 10:40:59.436804+00', 'rdyt67g4hwm', 'message 69cff835-1de1-43dc-9dfe-a15b7f34d073', 'asked', '{"task": "tenantSync", "joined": false}');
INSERT INTO public.audit VALUES (2, '2026-11-24 10:41:00.408202+00', 'rdyt67g4hwm', 'tenantsync', 'writing', '{}');
INSERT INTO public.audit VALUES (3, '2026-11-24 10:41:01.043629+00', 'rdyt67g4hwm', 'tenantsync', 'applied', '{}');
INSERT INTO public.audit VALUES (4, '2026-11-24 10:41:01.367955+00', 'rnxd5gd7p97', 'message 6edf60aa-abcb-4dee-8ae8-4f1bc959d609', 'asked', '{"task": "tenantSync", "joined": false}');
INSERT INTO public.audit VALUES (5, '2026-11-24 10:41:01.819642+00', 'rnxd5gd7p97', 'tenantsync', 'writing', '{}');
INSERT INTO public.audit VALUES (6, '2026-11-24 10:41:02.016048+00', 'rnxd5gd7p97', 'tenantsync', 'applied', '{}');
INSERT INTO public.audit VALUES (7, '2026-11-24 10:41:02.108916+00', 'rpfe48q9455', 'message 924bce8e-89ef-4763-aa32-b51d9923a48b', 'asked', '{"task": "tenantSync", "joined": false}');
INSERT INTO public.audit VALUES (8, '2026-11-24 10:41:02.296089+00', 'rpfe48q9455', 'tenantsync', 'unchanged', '{}');
INSERT INTO public.audit VALUES (9, '2026-11-24 10:41:02.488607+00', 'ra8mckgpfkf', 'message 25a58de5-9579-44d3-9fc5-f45a0571db53', 'asked', '{"task": "tenantSync", "joined": false}');
INSERT INTO public.audit VALUES (10, '2026-11-24 10:41:02.867943+00', 'ra8mckgpfkf', 'tenantsync', 'waiting', '{}');
INSERT INTO public.audit VALUES (11, '2026-11-24 10:41:04.57752+00', 'ra8mckgpfkf', 'anna', 'rejected', '{"planDigest": "c1fc1c4030b57da7ad4a9d4708968aeb426ea7c9c637206ea8b3bda9db900f1e", "reason": "not today"}');
INSERT INTO public.audit VALUES (12, '2026-11-24 10:41:04.987051+00', 'rdy5bwrjvx2', 'message ba84f48a-961d-43b9-bfbe-cd8930ac5f9e', 'asked', '{"task": "tenantSync", "joined": false}');
INSERT INTO public.audit VALUES (13, '2026-11-24 10:41:05.219636+00', 'rdy5bwrjvx2', 'tenantsync', 'waiting', '{}');

INSERT INTO public.bases VALUES ('f2b1805e4610fa762af15c75610b40d4715b8523707bc084a585c132ed9950e0', '_global', 'DASHBOARD', '{}', true, 1);
INSERT INTO public.bases VALUES ('f2b1805e4610fa762af15c75610b40d4715b8523707bc084a585c132ed9950e0', 'company', 'FILE', '{}', true, 1);
INSERT INTO public.bases VALUES ('f2b1805e4610fa762af15c75610b40d4715b8523707bc084a585c132ed9950e0', 'company', 'FLOW', '{}', true, 1);
INSERT INTO public.bases VALUES ('f2b1805e4610fa762af15c75610b40d4715b8523707bc084a585c132ed9950e0', 'company.team', 'FILE', '{"a.txt": "78981922613b2afb6025042ff6bd878ac1994e85"}', true, 2);
INSERT INTO public.bases VALUES ('f2b1805e4610fa762af15c75610b40d4715b8523707bc084a585c132ed9950e0', 'system', 'FILE', '{}', true, 1);
INSERT INTO public.bases VALUES ('f2b1805e4610fa762af15c75610b40d4715b8523707bc084a585c132ed9950e0', 'system', 'FLOW', '{}', true, 1);
INSERT INTO public.bases VALUES ('f2b1805e4610fa762af15c75610b40d4715b8523707bc084a585c132ed9950e0', 'company.team', 'FLOW', '{"eight": "513a4dd4d601260cab68f548c3653b1d756221ae", "five": "14b25838a7bba65552e6f1d059645355f4319f88", "four": "14c1879be287c445b1e0c650515f93591e31fe1c", "one": "9eac94b3ea8ec6969aeb293269d5d03bf34e28da", "seven": "f50dece0ea3ae294a7e0b6e8804500a13e197e4a", "six": "7b86d9399398a0007ee726dcc68f3de92e9074a6", "three": "a2e45c6e30310fe069083a22eb68515b1b00b8a2", "two": "577a4c98fbe09129b509fb545cf54c4472295133"}', true, 3);

INSERT INTO public.meta VALUES (1);

INSERT INTO public.pairs VALUES ('f2b1805e4610fa762af15c75610b40d4715b8523707bc084a585c132ed9950e0', '{"server": "5andb0xKestraServer001", "tenant": "main", "remote": "http://127.0.0.1:34483/tenant0", "branch": "main", "gitDirectory": ""}', 'd38479a015fb9dae1cb4a1fb38dcdede9951e531');

INSERT INTO public.parts VALUES ('rdyt67g4hwm', '_global', 'DASHBOARD', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rdyt67g4hwm', 'company', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rdyt67g4hwm', 'company', 'FLOW', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rdyt67g4hwm', 'system', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rdyt67g4hwm', 'system', 'FLOW', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rdyt67g4hwm', 'company.team', 'FILE', 'PLANNED', '300512270760a9381d44522bc1e2034829357060862be59656ffd3834e38ca4e', '4aeb572b7657407283137cf47ecdf98d5fa93ad96444693fb5faacc3affe4806');
INSERT INTO public.parts VALUES ('rdyt67g4hwm', 'company.team', 'FLOW', 'PLANNED', '2311fdfd3ab6ebb7b0001d442b620438d80f1ca382ddccb7f2e6ddff8a036d5b', '534b681f0057c5912afe922d94a7a11fb7c278dd280b48520b990ed44f846289');
INSERT INTO public.parts VALUES ('rnxd5gd7p97', '_global', 'DASHBOARD', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rnxd5gd7p97', 'company', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rnxd5gd7p97', 'company', 'FLOW', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rnxd5gd7p97', 'company.team', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rnxd5gd7p97', 'system', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rnxd5gd7p97', 'system', 'FLOW', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rnxd5gd7p97', 'company.team', 'FLOW', 'PLANNED', 'b2a9f0844ba1fe1fd504dd99180825cfd17cf517bf5353d12910c7e16fd958f5', 'e681db461ec46adafc9efbb70189d2e634ba0a14e30516ab8597b698674f3232');
INSERT INTO public.parts VALUES ('rpfe48q9455', '_global', 'DASHBOARD', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rpfe48q9455', 'company', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rpfe48q9455', 'company', 'FLOW', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rpfe48q9455', 'company.team', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rpfe48q9455', 'company.team', 'FLOW', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rpfe48q9455', 'system', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rpfe48q9455', 'system', 'FLOW', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('ra8mckgpfkf', '_global', 'DASHBOARD', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('ra8mckgpfkf', 'company', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('ra8mckgpfkf', 'company', 'FLOW', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('ra8mckgpfkf', 'company.team', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('ra8mckgpfkf', 'system', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('ra8mckgpfkf', 'system', 'FLOW', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('ra8mckgpfkf', 'company.team', 'FLOW', 'PLANNED', '173502946c017b2492a8f0a6a3b0354ad3197c830bd84752edb60e9789f08ccd', '5445eaacf1b30efa392a5fe131f9c4712fe2f0052556b67afb790390c0b57458');
INSERT INTO public.parts VALUES ('rdy5bwrjvx2', '_global', 'DASHBOARD', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rdy5bwrjvx2', 'company', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rdy5bwrjvx2', 'company', 'FLOW', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rdy5bwrjvx2', 'company.team', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rdy5bwrjvx2', 'system', 'FILE', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rdy5bwrjvx2', 'system', 'FLOW', 'EQUAL', NULL, NULL);
INSERT INTO public.parts VALUES ('rdy5bwrjvx2', 'company.team', 'FLOW', 'PLANNED', '173502946c017b2492a8f0a6a3b0354ad3197c830bd84752edb60e9789f08ccd', '5445eaacf1b30efa392a5fe131f9c4712fe2f0052556b67afb790390c0b57458');

INSERT INTO public.reviews VALUES (1, 'ra8mckgpfkf', 'c1fc1c4030b57da7ad4a9d4708968aeb426ea7c9c637206ea8b3bda9db900f1e', 'rejected', 'anna', 'not today', '2026-11-24 10:41:04.571879+00');

INSERT INTO public.runs VALUES (2, 'rnxd5gd7p97', '{"kestra": "main", "repository": "main", "sourceOfTruth": "GIT", "sourceOfTruthOverrides": {}, "whenMissingInSource": "DELETE", "protectedNamespaces": ["system"], "dryRun": false, "onInvalidSyntax": "FAIL", "gitDirectory": "", "branch": "main", "baseBranch": null, "commitMessage": null, "authorName": null, "authorEmail": null, "review": "never", "plan": null, "deletionBudget": {"free": 5, "items": 20, "percent": 25.0}, "allowEmpty": false, "firstContact": "ASK", "onConflict": "SOURCE", "onStale": "SKIP", "triggeredBy": null, "type": "tenantSync", "namespaces": [], "kinds": ["FLOW", "FILE", "DASHBOARD"]}', '5bef6b2ef196ac375e2db4afea7429ec460f51696228fafa24f261e7939786a8', 'a0652d769b4128b577aec77041b18860ad80cef2019119838cbb871b16e130ef', 'APPLIED', 0, 'FINISH', 0, NULL, '2026-11-24 10:41:01.358063+00', '2026-11-24 10:41:01.395862+00', '2026-11-24 10:41:01.806002+00', '2026-11-24 10:41:02.008886+00', '2026-11-24 10:41:02.009717+00', '{"server": "5andb0xKestraServer001", "tenant": "main", "remote": "http://127.0.0.1:34483/tenant0", "branch": "main", "gitDirectory": ""}', 'd38479a015fb9dae1cb4a1fb38dcdede9951e531', false, '{"server": {"uuid": "5andb0xKestraServer001", "version": "1.3.25", "edition": "OSS", "system_namespace": "system", "page_cap": null}, "nameless": 0, "equal": [["_global", "DASHBOARD", 0], ["company", "FILE", 0], ["company", "FLOW", 0], ["company.team", "FILE", 1], ["system", "FILE", 0], ["system", "FLOW", 0]], "protected": ["system"], "published": true}', 'bb29113daa0911005b2e56bee0637c179d621eaedfa5dfc189329553aed7d7e1', '1bf8089a641d9014b82938ab3398ef3c6fe34f74a1d902817a01244eb2a6c560', '523ea123e599b5eaa392c18f39fb9ea4d465494d0ff5d4049f8ce06983fafa5d', 'c9557e6feee43311ab78e10befa6efc5ca36c1b50cd029ebc43633eadd3ac25b', 0, '{"add": 0, "update": 1, "delete": 0, "protected": 0, "conflict": 0, "stale": 0, "landed": 1}', '[]', NULL, NULL, NULL, NULL, 0);
INSERT INTO public.runs VALUES (3, 'rpfe48q9455', '{"kestra": "main", "repository": "main", "sourceOfTruth": "GIT", "sourceOfTruthOverrides": {}, "whenMissingInSource": "DELETE", "protectedNamespaces": ["system"], "dryRun": true, "onInvalidSyntax": "FAIL", "gitDirectory": "", "branch": "main", "baseBranch": null, "commitMessage": null, "authorName": null, "authorEmail": null, "review": "never", "plan": null, "deletionBudget": {"free": 5, "items": 20, "percent": 25.0}, "allowEmpty": false, "firstContact": "ASK", "onConflict": "SOURCE", "onStale": "SKIP", "triggeredBy": null, "type": "tenantSync", "namespaces": [], "kinds": ["FLOW", "FILE", "DASHBOARD"]}', '68a21511cd11889a492702c430cc1438cb1c208ce0fa44bf0ad7a78835b11b6f', 'a0652d769b4128b577aec77041b18860ad80cef2019119838cbb871b16e130ef', 'UNCHANGED', 0, 'GATHER', 0, NULL, '2026-11-24 10:41:02.105804+00', '2026-11-24 10:41:02.139862+00', '2026-11-24 10:41:02.293662+00', '2026-11-24 10:41:02.294391+00', '2026-11-24 10:41:02.294838+00', '{"server": "5andb0xKestraServer001", "tenant": "main", "remote": "http://127.0.0.1:34483/tenant0", "branch": "main", "gitDirectory": ""}', 'd38479a015fb9dae1cb4a1fb38dcdede9951e531', false, '{"server": {"uuid": "5andb0xKestraServer001", "version": "1.3.25", "edition": "OSS", "system_namespace": "system", "page_cap": null}, "nameless": 0, "equal": [["_global", "DASHBOARD", 0], ["company", "FILE", 0], ["company", "FLOW", 0], ["company.team", "FILE", 1], ["company.team", "FLOW", 8], ["system", "FILE", 0], ["system", "FLOW", 0]]}', 'be50e3dc2fc669a9605f6d6ff7bc919e2db5031ea230da4e8c1c6b5966c2e9f9', 'f8da47a71806470c8c4e0afda7a53f0e59ad5ed8cd3b01fddfd70024135b2f70', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0, '{"add": 0, "update": 0, "delete": 0, "protected": 0, "conflict": 0, "stale": 0, "landed": 0}', '[]', NULL, NULL, NULL, NULL, 0);
INSERT INTO public.runs VALUES (1, 'rdyt67g4hwm', '{"kestra": "main", "repository": "main", "sourceOfTruth": "KESTRA", "sourceOfTruthOverrides": {}, "whenMissingInSource": "DELETE", "protectedNamespaces": ["system"], "dryRun": false, "onInvalidSyntax": "FAIL", "gitDirectory": "", "branch": "main", "baseBranch": null, "commitMessage": null, "authorName": null, "authorEmail": null, "review": "never", "plan": null, "deletionBudget": {"free": 5, "items": 20, "percent": 25.0}, "allowEmpty": false, "firstContact": "ASK", "onConflict": "SOURCE", "onStale": "SKIP", "triggeredBy": null, "type": "tenantSync", "namespaces": [], "kinds": ["FLOW", "FILE", "DASHBOARD"]}', '70541dd0710e4ea57c18dd22a6a1f0fbd8b3f9c777482f6f99d548fd6308854d', '97307e276c55ce68e76119cb74c01f02e21e248797dcf235e1df2aec426caf22', 'APPLIED', 0, 'FINISH', 0, NULL, '2026-11-24 10:40:59.423084+00', '2026-11-24 10:40:59.721687+00', '2026-11-24 10:41:00.400558+00', '2026-11-24 10:41:01.037943+00', '2026-11-24 10:41:01.040423+00', '{"server": "5andb0xKestraServer001", "tenant": "main", "remote": "http://127.0.0.1:34483/tenant0", "branch": "main", "gitDirectory": ""}', NULL, true, '{"server": {"uuid": "5andb0xKestraServer001", "version": "1.3.25", "edition": "OSS", "system_namespace": "system", "page_cap": null}, "nameless": 0, "equal": [["_global", "DASHBOARD", 0], ["company", "FILE", 0], ["company", "FLOW", 0], ["system", "FILE", 0], ["system", "FLOW", 0]], "protected": ["system"], "published": true}', '52e89ab1257fd1ee9651f09e21d297506364dffd7ff189d943c59ff60ff45885', 'e09dbcfa8ed964734d6071fbd238f3ef3849447f2ec8fa08bad64f15efee27e0', '5a8c5bc9a3da73e92e7aa63b3b5a3ab9b5f61804eca19b9ecbd8a1cdbbb5ee58', '039ee1c0efbf4a06ed109138c3a2bf9fcaa26b5f2496192437fb68833e372d07', 0, '{"add": 9, "update": 0, "delete": 0, "protected": 0, "conflict": 0, "stale": 0, "landed": 9}', '[]', '125cb21bfcb012904b94216cad8be02c9ee9c5d9', NULL, NULL, NULL, 0);
INSERT INTO public.runs VALUES (4, 'ra8mckgpfkf', '{"kestra": "main", "repository": "main", "sourceOfTruth": "GIT", "sourceOfTruthOverrides": {}, "whenMissingInSource": "DELETE", "protectedNamespaces": ["system"], "dryRun": false, "onInvalidSyntax": "FAIL", "gitDirectory": "", "branch": "main", "baseBranch": null, "commitMessage": null, "authorName": null, "authorEmail": null, "review": "never", "plan": null, "deletionBudget": {"free": 5, "items": 20, "percent": 25.0}, "allowEmpty": false, "firstContact": "ASK", "onConflict": "SOURCE", "onStale": "SKIP", "triggeredBy": null, "type": "tenantSync", "namespaces": [], "kinds": ["FLOW", "FILE", "DASHBOARD"]}', '5bef6b2ef196ac375e2db4afea7429ec460f51696228fafa24f261e7939786a8', 'a0652d769b4128b577aec77041b18860ad80cef2019119838cbb871b16e130ef', 'REJECTED', 0, 'GATHER', 0, NULL, '2026-11-24 10:41:02.481051+00', '2026-11-24 10:41:02.517321+00', '2026-11-24 10:41:02.84427+00', '2026-11-24 10:41:04.571876+00', '2026-11-24 10:41:04.573241+00', '{"server": "5andb0xKestraServer001", "tenant": "main", "remote": "http://127.0.0.1:34483/tenant0", "branch": "main", "gitDirectory": ""}', 'acf31fc7d0f6625e64503c3cd5cf12831fa1023d', false, '{"server": {"uuid": "5andb0xKestraServer001", "version": "1.3.25", "edition": "OSS", "system_namespace": "system", "page_cap": null}, "nameless": 0, "equal": [["_global", "DASHBOARD", 0], ["company", "FILE", 0], ["company", "FLOW", 0], ["company.team", "FILE", 1], ["system", "FILE", 0], ["system", "FLOW", 0]]}', 'c1fc1c4030b57da7ad4a9d4708968aeb426ea7c9c637206ea8b3bda9db900f1e', 'f0fa00d30913384242d6c34a0f42c5e5ba5fc248e4d4f18c02dcc8875182fb6f', 'd8519e98832aa9ce3122c60a0cce73ef32d01b32c6c376b5f2504eaf5db760e0', '89445e6012a0054551c5707731d2c6c3fe36e8f5c4df3c724c4e6c9bb25b8ecb', 6, '{"add": 0, "update": 0, "delete": 6, "protected": 0, "conflict": 0, "stale": 0, "landed": 0}', '[{"code": "DELETION_BUDGET", "where": "FLOW", "message": "6 of 8 would be deleted, more than the deletionBudget (free 5, items 20, percent 25); approve with --deletions 6, or mend the source", "fatal": false}]', NULL, NULL, NULL, NULL, 0);
INSERT INTO public.runs VALUES (5, 'rdy5bwrjvx2', '{"kestra": "main", "repository": "main", "sourceOfTruth": "GIT", "sourceOfTruthOverrides": {}, "whenMissingInSource": "DELETE", "protectedNamespaces": ["system"], "dryRun": false, "onInvalidSyntax": "FAIL", "gitDirectory": "", "branch": "main", "baseBranch": null, "commitMessage": null, "authorName": null, "authorEmail": null, "review": "never", "plan": null, "deletionBudget": {"free": 5, "items": 20, "percent": 25.0}, "allowEmpty": false, "firstContact": "ASK", "onConflict": "SOURCE", "onStale": "SKIP", "triggeredBy": null, "type": "tenantSync", "namespaces": [], "kinds": ["FLOW", "FILE", "DASHBOARD"]}', '5bef6b2ef196ac375e2db4afea7429ec460f51696228fafa24f261e7939786a8', 'a0652d769b4128b577aec77041b18860ad80cef2019119838cbb871b16e130ef', 'WAITING', 0, 'GATHER', 0, NULL, '2026-11-24 10:41:04.97899+00', '2026-11-24 10:41:05.032366+00', '2026-11-24 10:41:05.202659+00', NULL, '2026-11-24 10:41:05.216483+00', '{"server": "5andb0xKestraServer001", "tenant": "main", "remote": "http://127.0.0.1:34483/tenant0", "branch": "main", "gitDirectory": ""}', 'acf31fc7d0f6625e64503c3cd5cf12831fa1023d', false, '{"server": {"uuid": "5andb0xKestraServer001", "version": "1.3.25", "edition": "OSS", "system_namespace": "system", "page_cap": null}, "nameless": 0, "equal": [["_global", "DASHBOARD", 0], ["company", "FILE", 0], ["company", "FLOW", 0], ["company.team", "FILE", 1], ["system", "FILE", 0], ["system", "FLOW", 0]]}', 'c1fc1c4030b57da7ad4a9d4708968aeb426ea7c9c637206ea8b3bda9db900f1e', '3a2a416126e600c45a7e909d5d62288c3900a0c20d717c489a08950bbfce6a2e', 'd8519e98832aa9ce3122c60a0cce73ef32d01b32c6c376b5f2504eaf5db760e0', '89445e6012a0054551c5707731d2c6c3fe36e8f5c4df3c724c4e6c9bb25b8ecb', 6, '{"add": 0, "update": 0, "delete": 6, "protected": 0, "conflict": 0, "stale": 0, "landed": 0}', '[{"code": "DELETION_BUDGET", "where": "FLOW", "message": "6 of 8 would be deleted, more than the deletionBudget (free 5, items 20, percent 25); approve with --deletions 6, or mend the source", "fatal": false}]', NULL, NULL, NULL, NULL, 0);

INSERT INTO public.servers VALUES ('http://127.0.0.1:40795', '5andb0xKestraServer001');

INSERT INTO public.writes VALUES ('rdyt67g4hwm', '', 'COMMIT', '3c7d962e98f3f484d77e782accdb222558cb055daba7e251d7626b73262932e1', '["company.team"]', '6339660d8c137a61a8aa7d2e137700f4a89303af62d48812bdb2ec31eabdd9e5');
INSERT INTO public.writes VALUES ('rnxd5gd7p97', 'company.team', 'UPSERT', '3e123c82a86b85d3d803225308921e2225dfbe6232778ec670e54ade9bac149c', '["company.team"]', '516fbf2a9ea998b35a7953310b937919f12a44cdf126d81ad87752f684c398df');
INSERT INTO public.writes VALUES ('ra8mckgpfkf', 'company.team', 'DELETE', 'a8ea45794091d88dac7decba42f9f5efc0cf51b5b4ed0f9d594df24c2973174d', '["company.team"]', NULL);
INSERT INTO public.writes VALUES ('rdy5bwrjvx2', 'company.team', 'DELETE', 'a8ea45794091d88dac7decba42f9f5efc0cf51b5b4ed0f9d594df24c2973174d', '["company.team"]', NULL);

SELECT pg_catalog.setval('public.audit_id_seq', 13, true);

SELECT pg_catalog.setval('public.meta_version_seq', 1, false);

SELECT pg_catalog.setval('public.reviews_id_seq', 1, true);

SELECT pg_catalog.setval('public.runs_seq_seq', 5, true);

ALTER TABLE ONLY public.askers
    ADD CONSTRAINT askers_pkey PRIMARY KEY (message);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.bases
    ADD CONSTRAINT bases_pkey PRIMARY KEY (scope, namespace, kind);

ALTER TABLE ONLY public.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.pairs
    ADD CONSTRAINT pairs_pkey PRIMARY KEY (scope);

ALTER TABLE ONLY public.parts
    ADD CONSTRAINT parts_pkey PRIMARY KEY (run, namespace, kind);

ALTER TABLE ONLY public.reviews
    ADD CONSTRAINT reviews_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_id_key UNIQUE (id);

ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.servers
    ADD CONSTRAINT servers_pkey PRIMARY KEY (url);

ALTER TABLE ONLY public.writes
    ADD CONSTRAINT writes_pkey PRIMARY KEY (run, namespace, phase);

CREATE INDEX ix_askers_run ON public.askers USING btree (run);

CREATE INDEX ix_audit_run ON public.audit USING btree (run);

CREATE INDEX ix_reviews_run ON public.reviews USING btree (run);

CREATE INDEX ix_runs_equality ON public.runs USING btree (equality);

CREATE INDEX ix_runs_state ON public.runs USING btree (state);

CREATE INDEX ix_runs_sync ON public.runs USING btree (sync);

CREATE INDEX runs_open ON public.runs USING btree (state, moved_at);

ALTER TABLE ONLY public.askers
    ADD CONSTRAINT askers_run_fkey FOREIGN KEY (run) REFERENCES public.runs(id);

ALTER TABLE ONLY public.parts
    ADD CONSTRAINT parts_run_fkey FOREIGN KEY (run) REFERENCES public.runs(id);

ALTER TABLE ONLY public.reviews
    ADD CONSTRAINT reviews_run_fkey FOREIGN KEY (run) REFERENCES public.runs(id);

ALTER TABLE ONLY public.writes
    ADD CONSTRAINT writes_run_fkey FOREIGN KEY (run) REFERENCES public.runs(id);
