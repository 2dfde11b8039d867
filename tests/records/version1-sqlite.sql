CREATE TABLE askers (
	message VARCHAR(255) NOT NULL,
	run VARCHAR(32) NOT NULL,
	who VARCHAR(255) NOT NULL,
	triggered_by JSON,
	asked_at DATETIME NOT NULL,
	withdrawn BOOLEAN NOT NULL,
	PRIMARY KEY (message),
	FOREIGN KEY(run) REFERENCES runs (id)
);
INSERT INTO "askers" VALUES('27dd3751-9f43-4fd2-a0ee-649aabf96c04','rxj83duywnf','message 27dd3751-9f43-4fd2-a0ee-649aabf96c04','null','2026-11-24 10:40:44.603872',0);
INSERT INTO "askers" VALUES('f0d4475f-2c6a-4a48-b267-455f2ded69e9','rj7hu3k222r','message f0d4475f-2c6a-4a48-b267-455f2ded69e9','null','2026-11-24 10:40:46.372333',0);
INSERT INTO "askers" VALUES('a2340747-275a-4271-9571-41013681edf2','rbgnew6wu57','message a2340747-275a-4271-9571-41013681edf2','null','2026-11-24 10:40:47.368883',0);
INSERT INTO "askers" VALUES('5bffed4f-200a-4140-9fee-1f263cd353ed','rts67mtr99e','message 5bffed4f-200a-4140-9fee-1f263cd353ed','null','2026-11-24 10:40:47.794388',0);
INSERT INTO "askers" VALUES('1cc4c1bf-d9cc-44d2-bf83-c3aabbff43a2','r65gjfhv4vj','message 1cc4c1bf-d9cc-44d2-bf83-c3aabbff43a2','null','2026-11-24 10:40:51.883049',0);
CREATE TABLE audit (
	id INTEGER NOT NULL,
	at DATETIME NOT NULL,
	run VARCHAR(32),
	who VARCHAR(255) NOT NULL,
	event VARCHAR(32) NOT NULL,
	details JSON NOT NULL,
	PRIMARY KEY (id)
);
INSERT INTO "audit" VALUES(1,'2026-11-24 10:40:44.604352','rxj83duywnf','message 27dd3751-9f43-4fd2-a0ee-649aabf96c04','asked','{"task": "tenantSync", "joined": false}');
INSERT INTO "audit" VALUES(2,'2026-11-24 10:40:45.363120','rxj83duywnf','tenantsync','writing','{}');
INSERT INTO "audit" VALUES(3,'2026-11-24 10:40:46.089780','rxj83duywnf','tenantsync','applied','{}');
INSERT INTO "audit" VALUES(4,'2026-11-24 10:40:46.372535','rj7hu3k222r','message f0d4475f-2c6a-4a48-b267-455f2ded69e9','asked','{"task": "tenantSync", "joined": false}');
INSERT INTO "audit" VALUES(5,'2026-11-24 10:40:46.852510','rj7hu3k222r','tenantsync','writing','{}');
INSERT INTO "audit" VALUES(6,'2026-11-24 10:40:47.247612','rj7hu3k222r','tenantsync','applied','{}');
INSERT INTO "audit" VALUES(7,'2026-11-24 10:40:47.369056','rbgnew6wu57','message a2340747-275a-4271-9571-41013681edf2','asked','{"task": "tenantSync", "joined": false}');
INSERT INTO "audit" VALUES(8,'2026-11-24 10:40:47.638548','rbgnew6wu57','tenantsync','unchanged','{}');
INSERT INTO "audit" VALUES(9,'2026-11-24 10:40:47.794554','rts67mtr99e','message 5bffed4f-200a-4140-9fee-1f263cd353ed','asked','{"task": "tenantSync", "joined": false}');
INSERT INTO "audit" VALUES(10,'2026-11-24 10:40:48.662551','rts67mtr99e','tenantsync','waiting','{}');
INSERT INTO "audit" VALUES(11,'2026-11-24 10:40:51.200257','rts67mtr99e','anna','rejected','{"planDigest": "9b9a7323446fc5dde6c56bd94ab37625bff0b1d6f90f7393767346285f737898", "reason": "not today"}');
INSERT INTO "audit" VALUES(12,'2026-11-24 10:40:51.883299','r65gjfhv4vj','message 1cc4c1bf-d9cc-44d2-bf83-c3aabbff43a2','asked','{"task": "tenantSync", "joined": false}');
INSERT INTO "audit" VALUES(13,'2026-11-24 10:40:52.361318','r65gjfhv4vj','tenantsync','waiting','{}');
CREATE TABLE bases (
	scope VARCHAR(64) NOT NULL,
	namespace VARCHAR(160) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	items JSON NOT NULL,
	settled BOOLEAN NOT NULL,
	version INTEGER NOT NULL,
	PRIMARY KEY (scope, namespace, kind)
);
INSERT INTO "bases" VALUES('0399031ef6cdbf1d94a5134827e07a9292d8a04a322d92abd2dd15abccffec42','company.team','FILE','{"a.txt": "78981922613b2afb6025042ff6bd878ac1994e85"}',1,2);
INSERT INTO "bases" VALUES('0399031ef6cdbf1d94a5134827e07a9292d8a04a322d92abd2dd15abccffec42','company.team','FLOW','{"eight": "513a4dd4d601260cab68f548c3653b1d756221ae", "five": "14b25838a7bba65552e6f1d059645355f4319f88", "four": "14c1879be287c445b1e0c650515f93591e31fe1c", "one": "9eac94b3ea8ec6969aeb293269d5d03bf34e28da", "seven": "f50dece0ea3ae294a7e0b6e8804500a13e197e4a", "six": "7b86d9399398a0007ee726dcc68f3de92e9074a6", "three": "a2e45c6e30310fe069083a22eb68515b1b00b8a2", "two": "577a4c98fbe09129b509fb545cf54c4472295133"}',1,3);
INSERT INTO "bases" VALUES('0399031ef6cdbf1d94a5134827e07a9292d8a04a322d92abd2dd15abccffec42','_global','DASHBOARD','{}',1,1);
INSERT INTO "bases" VALUES('0399031ef6cdbf1d94a5134827e07a9292d8a04a322d92abd2dd15abccffec42','company','FILE','{}',1,1);
INSERT INTO "bases" VALUES('0399031ef6cdbf1d94a5134827e07a9292d8a04a322d92abd2dd15abccffec42','company','FLOW','{}',1,1);
INSERT INTO "bases" VALUES('0399031ef6cdbf1d94a5134827e07a9292d8a04a322d92abd2dd15abccffec42','system','FILE','{}',1,1);
INSERT INTO "bases" VALUES('0399031ef6cdbf1d94a5134827e07a9292d8a04a322d92abd2dd15abccffec42','system','FLOW','{}',1,1);
CREATE TABLE meta (
	version INTEGER NOT NULL,
	PRIMARY KEY (version)
);
INSERT INTO "meta" VALUES(1);
CREATE TABLE pairs (
	scope VARCHAR(64) NOT NULL,
	target JSON NOT NULL,
	commit_id VARCHAR(64) NOT NULL,
	PRIMARY KEY (scope)
);
INSERT INTO "pairs" VALUES('0399031ef6cdbf1d94a5134827e07a9292d8a04a322d92abd2dd15abccffec42','{"server": "5andb0xKestraServer001", "tenant": "main", "remote": "http://127.0.0.1:45283/tenant0", "branch": "main", "gitDirectory": ""}','10fd109331380ee5f42f14990722c82d8ee7fc92');
CREATE TABLE parts (
	run VARCHAR(32) NOT NULL,
	namespace VARCHAR(160) NOT NULL,
	kind VARCHAR(16) NOT NULL,
	state VARCHAR(16) NOT NULL,
	survey VARCHAR(64),
	result VARCHAR(64),
	PRIMARY KEY (run, namespace, kind),
	FOREIGN KEY(run) REFERENCES runs (id)
);
INSERT INTO "parts" VALUES('rxj83duywnf','company.team','FILE','PLANNED','300512270760a9381d44522bc1e2034829357060862be59656ffd3834e38ca4e','4aeb572b7657407283137cf47ecdf98d5fa93ad96444693fb5faacc3affe4806');
INSERT INTO "parts" VALUES('rxj83duywnf','company.team','FLOW','PLANNED','2311fdfd3ab6ebb7b0001d442b620438d80f1ca382ddccb7f2e6ddff8a036d5b','534b681f0057c5912afe922d94a7a11fb7c278dd280b48520b990ed44f846289');
INSERT INTO "parts" VALUES('rxj83duywnf','_global','DASHBOARD','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rxj83duywnf','company','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rxj83duywnf','company','FLOW','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rxj83duywnf','system','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rxj83duywnf','system','FLOW','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rj7hu3k222r','company.team','FLOW','PLANNED','b2a9f0844ba1fe1fd504dd99180825cfd17cf517bf5353d12910c7e16fd958f5','e681db461ec46adafc9efbb70189d2e634ba0a14e30516ab8597b698674f3232');
INSERT INTO "parts" VALUES('rj7hu3k222r','_global','DASHBOARD','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rj7hu3k222r','company','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rj7hu3k222r','company','FLOW','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rj7hu3k222r','company.team','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rj7hu3k222r','system','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rj7hu3k222r','system','FLOW','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rbgnew6wu57','_global','DASHBOARD','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rbgnew6wu57','company','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rbgnew6wu57','company','FLOW','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rbgnew6wu57','company.team','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rbgnew6wu57','company.team','FLOW','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rbgnew6wu57','system','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rbgnew6wu57','system','FLOW','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rts67mtr99e','company.team','FLOW','PLANNED','173502946c017b2492a8f0a6a3b0354ad3197c830bd84752edb60e9789f08ccd','786c0971ef375c77fd8b65a579454152590ff58927c70f90a7a7e074dcd05d26');
INSERT INTO "parts" VALUES('rts67mtr99e','_global','DASHBOARD','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rts67mtr99e','company','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rts67mtr99e','company','FLOW','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rts67mtr99e','company.team','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rts67mtr99e','system','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('rts67mtr99e','system','FLOW','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('r65gjfhv4vj','company.team','FLOW','PLANNED','173502946c017b2492a8f0a6a3b0354ad3197c830bd84752edb60e9789f08ccd','786c0971ef375c77fd8b65a579454152590ff58927c70f90a7a7e074dcd05d26');
INSERT INTO "parts" VALUES('r65gjfhv4vj','_global','DASHBOARD','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('r65gjfhv4vj','company','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('r65gjfhv4vj','company','FLOW','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('r65gjfhv4vj','company.team','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('r65gjfhv4vj','system','FILE','EQUAL',NULL,NULL);
INSERT INTO "parts" VALUES('r65gjfhv4vj','system','FLOW','EQUAL',NULL,NULL);
CREATE TABLE reviews (
	id INTEGER NOT NULL,
	run VARCHAR(32) NOT NULL,
	plan_digest VARCHAR(64) NOT NULL,
	decision VARCHAR(16) NOT NULL,
	person VARCHAR(255) NOT NULL,
	reason TEXT,
	at DATETIME NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(run) REFERENCES runs (id)
);
INSERT INTO "reviews" VALUES(1,'rts67mtr99e','9b9a7323446fc5dde6c56bd94ab37625bff0b1d6f90f7393767346285f737898','rejected','anna','not today','2026-11-24 10:40:51.194857');
CREATE TABLE runs (
	seq INTEGER NOT NULL,
	id VARCHAR(32) NOT NULL,
	task JSON NOT NULL,
	equality VARCHAR(64) NOT NULL,
	sync VARCHAR(64) NOT NULL,
	state VARCHAR(16) NOT NULL,
	epoch INTEGER NOT NULL,
	phase VARCHAR(16),
	revived INTEGER NOT NULL,
	cancelled_by VARCHAR(255),
	asked_at DATETIME NOT NULL,
	started_at DATETIME,
	planned_at DATETIME,
	ended_at DATETIME,
	moved_at DATETIME NOT NULL,
	target JSON,
	base_commit VARCHAR(64),
	new_branch BOOLEAN NOT NULL,
	facts JSON NOT NULL,
	plan_digest VARCHAR(64),
	"plan" VARCHAR(64),
	patch VARCHAR(64),
	ion VARCHAR(64),
	deletions INTEGER,
	counts JSON,
	problems JSON NOT NULL,
	commit_id VARCHAR(64),
	commit_url TEXT,
	follows VARCHAR(32),
	followed_by VARCHAR(32),
	depth INTEGER NOT NULL,
	PRIMARY KEY (seq),
	UNIQUE (id)
);
INSERT INTO "runs" VALUES(1,'rxj83duywnf','{"kestra": "main", "repository": "main", "sourceOfTruth": "KESTRA", "sourceOfTruthOverrides": {}, "whenMissingInSource": "DELETE", "protectedNamespaces": ["system"], "dryRun": false, "onInvalidSyntax": "FAIL", "gitDirectory": "", "branch": "main", "baseBranch": null, "commitMessage": null, "authorName": null, "authorEmail": null, "review": "never", "plan": null, "deletionBudget": {"free": 5, "items": 20, "percent": 25.0}, "allowEmpty": false, "firstContact": "ASK", "onConflict": "SOURCE", "onStale": "SKIP", "triggeredBy": null, "type": "tenantSync", "namespaces": [], "kinds": ["FLOW", "FILE", "DASHBOARD"]}','70541dd0710e4ea57c18dd22a6a1f0fbd8b3f9c777482f6f99d548fd6308854d','97307e276c55ce68e76119cb74c01f02e21e248797dcf235e1df2aec426caf22','APPLIED',0,'FINISH',0,NULL,'2026-11-24 10:40:44.599864','2026-11-24 10:40:44.711649','2026-11-24 10:40:45.359984','2026-11-24 10:40:46.088494','2026-11-24 10:40:46.088658','{"server": "5andb0xKestraServer001", "tenant": "main", "remote": "http://127.0.0.1:45283/tenant0", "branch": "main", "gitDirectory": ""}',NULL,1,'{"server": {"uuid": "5andb0xKestraServer001", "version": "1.3.25", "edition": "OSS", "system_namespace": "system", "page_cap": null}, "nameless": 0, "equal": [["_global", "DASHBOARD", 0], ["company", "FILE", 0], ["company", "FLOW", 0], ["system", "FILE", 0], ["system", "FLOW", 0]], "protected": ["system"], "published": true}','75d43e7a1a529ac2c663615c8146d84b0a19c3947518e60edd1f9131273eb50f','87dba548f89ecfd7a667abb6b381fd0ad077b61c5457f417bff9b50cf098cc05','5a8c5bc9a3da73e92e7aa63b3b5a3ab9b5f61804eca19b9ecbd8a1cdbbb5ee58','039ee1c0efbf4a06ed109138c3a2bf9fcaa26b5f2496192437fb68833e372d07',0,'{"add": 9, "update": 0, "delete": 0, "protected": 0, "conflict": 0, "stale": 0, "landed": 9}','[]','62a8704f688101a10c90946898974d988c17e30e',NULL,NULL,NULL,0);
INSERT INTO "runs" VALUES(2,'rj7hu3k222r','{"kestra": "main", "repository": "main", "sourceOfTruth": "GIT", "sourceOfTruthOverrides": {}, "whenMissingInSource": "DELETE", "protectedNamespaces": ["system"], "dryRun": false, "onInvalidSyntax": "FAIL", "gitDirectory": "", "branch": "main", "baseBranch": null, "commitMessage": null, "authorName": null, "authorEmail": null, "review": "never", "plan": null, "deletionBudget": {"free": 5, "items": 20, "percent": 25.0}, "allowEmpty": false, "firstContact": "ASK", "onConflict": "SOURCE", "onStale": "SKIP", "triggeredBy": null, "type": "tenantSync", "namespaces": [], "kinds": ["FLOW", "FILE", "DASHBOARD"]}','5bef6b2ef196ac375e2db4afea7429ec460f51696228fafa24f261e7939786a8','a0652d769b4128b577aec77041b18860ad80cef2019119838cbb871b16e130ef','APPLIED',0,'FINISH',0,NULL,'2026-11-24 10:40:46.371010','2026-11-24 10:40:46.430811','2026-11-24 10:40:46.844538','2026-11-24 10:40:47.246530','2026-11-24 10:40:47.246757','{"server": "5andb0xKestraServer001", "tenant": "main", "remote": "http://127.0.0.1:45283/tenant0", "branch": "main", "gitDirectory": ""}','10fd109331380ee5f42f14990722c82d8ee7fc92',0,'{"server": {"uuid": "5andb0xKestraServer001", "version": "1.3.25", "edition": "OSS", "system_namespace": "system", "page_cap": null}, "nameless": 0, "equal": [["_global", "DASHBOARD", 0], ["company", "FILE", 0], ["company", "FLOW", 0], ["company.team", "FILE", 1], ["system", "FILE", 0], ["system", "FLOW", 0]], "protected": ["system"], "published": true}','114c81f15a5bb1b21015e437f72477b6a658f040a6fdadf4742f94e87e6e65cb','a1617d9b7a07a439e016957daeb62e5f1cd0ecb29cfa797f5f62412f8cd4d20f','523ea123e599b5eaa392c18f39fb9ea4d465494d0ff5d4049f8ce06983fafa5d','c9557e6feee43311ab78e10befa6efc5ca36c1b50cd029ebc43633eadd3ac25b',0,'{"add": 0, "update": 1, "delete": 0, "protected": 0, "conflict": 0, "stale": 0, "landed": 1}','[]',NULL,NULL,NULL,NULL,0);
INSERT INTO "runs" VALUES(3,'rbgnew6wu57','{"kestra": "main", "repository": "main", "sourceOfTruth": "GIT", "sourceOfTruthOverrides": {}, "whenMissingInSource": "DELETE", "protectedNamespaces": ["system"], "dryRun": true, "onInvalidSyntax": "FAIL", "gitDirectory": "", "branch": "main", "baseBranch": null, "commitMessage": null, "authorName": null, "authorEmail": null, "review": "never", "plan": null, "deletionBudget": {"free": 5, "items": 20, "percent": 25.0}, "allowEmpty": false, "firstContact": "ASK", "onConflict": "SOURCE", "onStale": "SKIP", "triggeredBy": null, "type": "tenantSync", "namespaces": [], "kinds": ["FLOW", "FILE", "DASHBOARD"]}','68a21511cd11889a492702c430cc1438cb1c208ce0fa44bf0ad7a78835b11b6f','a0652d769b4128b577aec77041b18860ad80cef2019119838cbb871b16e130ef','UNCHANGED',0,'GATHER',0,NULL,'2026-11-24 10:40:47.368044','2026-11-24 10:40:47.431048','2026-11-24 10:40:47.630871','2026-11-24 10:40:47.631339','2026-11-24 10:40:47.637708','{"server": "5andb0xKestraServer001", "tenant": "main", "remote": "http://127.0.0.1:45283/tenant0", "branch": "main", "gitDirectory": ""}','10fd109331380ee5f42f14990722c82d8ee7fc92',0,'{"server": {"uuid": "5andb0xKestraServer001", "version": "1.3.25", "edition": "OSS", "system_namespace": "system", "page_cap": null}, "nameless": 0, "equal": [["_global", "DASHBOARD", 0], ["company", "FILE", 0], ["company", "FLOW", 0], ["company.team", "FILE", 1], ["company.team", "FLOW", 8], ["system", "FILE", 0], ["system", "FLOW", 0]]}','d237e69a4874106d51175b2952ed0835f1df4f62e3fee8dbf6cfd88b648a606d','4e463dafb590b7c2e29352d4e03509c06f98c618996676ef42b5df07ee53d4d0','e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855','e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',0,'{"add": 0, "update": 0, "delete": 0, "protected": 0, "conflict": 0, "stale": 0, "landed": 0}','[]',NULL,NULL,NULL,NULL,0);
INSERT INTO "runs" VALUES(4,'rts67mtr99e','{"kestra": "main", "repository": "main", "sourceOfTruth": "GIT", "sourceOfTruthOverrides": {}, "whenMissingInSource": "DELETE", "protectedNamespaces": ["system"], "dryRun": false, "onInvalidSyntax": "FAIL", "gitDirectory": "", "branch": "main", "baseBranch": null, "commitMessage": null, "authorName": null, "authorEmail": null, "review": "never", "plan": null, "deletionBudget": {"free": 5, "items": 20, "percent": 25.0}, "allowEmpty": false, "firstContact": "ASK", "onConflict": "SOURCE", "onStale": "SKIP", "triggeredBy": null, "type": "tenantSync", "namespaces": [], "kinds": ["FLOW", "FILE", "DASHBOARD"]}','5bef6b2ef196ac375e2db4afea7429ec460f51696228fafa24f261e7939786a8','a0652d769b4128b577aec77041b18860ad80cef2019119838cbb871b16e130ef','REJECTED',0,'GATHER',0,NULL,'2026-11-24 10:40:47.793582','2026-11-24 10:40:47.884899','2026-11-24 10:40:48.657963','2026-11-24 10:40:51.194782','2026-11-24 10:40:51.196452','{"server": "5andb0xKestraServer001", "tenant": "main", "remote": "http://127.0.0.1:45283/tenant0", "branch": "main", "gitDirectory": ""}','bc732f636ca14dd0dc0b48da5db29e0fd1d95cb9',0,'{"server": {"uuid": "5andb0xKestraServer001", "version": "1.3.25", "edition": "OSS", "system_namespace": "system", "page_cap": null}, "nameless": 0, "equal": [["_global", "DASHBOARD", 0], ["company", "FILE", 0], ["company", "FLOW", 0], ["company.team", "FILE", 1], ["system", "FILE", 0], ["system", "FLOW", 0]]}','9b9a7323446fc5dde6c56bd94ab37625bff0b1d6f90f7393767346285f737898','8baa5e9b8b76747369ecc4140d4385429ab83ab0eb1b012043968a377911a855','d8519e98832aa9ce3122c60a0cce73ef32d01b32c6c376b5f2504eaf5db760e0','89445e6012a0054551c5707731d2c6c3fe36e8f5c4df3c724c4e6c9bb25b8ecb',6,'{"add": 0, "update": 0, "delete": 6, "protected": 0, "conflict": 0, "stale": 0, "landed": 0}','[{"code": "DELETION_BUDGET", "where": "FLOW", "message": "6 of 8 would be deleted, more than the deletionBudget (free 5, items 20, percent 25); approve with --deletions 6, or mend the source", "fatal": false}]',NULL,NULL,NULL,NULL,0);
INSERT INTO "runs" VALUES(5,'r65gjfhv4vj','{"kestra": "main", "repository": "main", "sourceOfTruth": "GIT", "sourceOfTruthOverrides": {}, "whenMissingInSource": "DELETE", "protectedNamespaces": ["system"], "dryRun": false, "onInvalidSyntax": "FAIL", "gitDirectory": "", "branch": "main", "baseBranch": null, "commitMessage": null, "authorName": null, "authorEmail": null, "review": "never", "plan": null, "deletionBudget": {"free": 5, "items": 20, "percent": 25.0}, "allowEmpty": false, "firstContact": "ASK", "onConflict": "SOURCE", "onStale": "SKIP", "triggeredBy": null, "type": "tenantSync", "namespaces": [], "kinds": ["FLOW", "FILE", "DASHBOARD"]}','5bef6b2ef196ac375e2db4afea7429ec460f51696228fafa24f261e7939786a8','a0652d769b4128b577aec77041b18860ad80cef2019119838cbb871b16e130ef','WAITING',0,'GATHER',0,NULL,'2026-11-24 10:40:51.870201','2026-11-24 10:40:51.976768','2026-11-24 10:40:52.358380',NULL,'2026-11-24 10:40:52.360758','{"server": "5andb0xKestraServer001", "tenant": "main", "remote": "http://127.0.0.1:45283/tenant0", "branch": "main", "gitDirectory": ""}','bc732f636ca14dd0dc0b48da5db29e0fd1d95cb9',0,'{"server": {"uuid": "5andb0xKestraServer001", "version": "1.3.25", "edition": "OSS", "system_namespace": "system", "page_cap": null}, "nameless": 0, "equal": [["_global", "DASHBOARD", 0], ["company", "FILE", 0], ["company", "FLOW", 0], ["company.team", "FILE", 1], ["system", "FILE", 0], ["system", "FLOW", 0]]}','9b9a7323446fc5dde6c56bd94ab37625bff0b1d6f90f7393767346285f737898','6716c42dfc356766be46a1ebb7af92ed9020da78d08b925c25880e1d64798fd3','d8519e98832aa9ce3122c60a0cce73ef32d01b32c6c376b5f2504eaf5db760e0','89445e6012a0054551c5707731d2c6c3fe36e8f5c4df3c724c4e6c9bb25b8ecb',6,'{"add": 0, "update": 0, "delete": 6, "protected": 0, "conflict": 0, "stale": 0, "landed": 0}','[{"code": "DELETION_BUDGET", "where": "FLOW", "message": "6 of 8 would be deleted, more than the deletionBudget (free 5, items 20, percent 25); approve with --deletions 6, or mend the source", "fatal": false}]',NULL,NULL,NULL,NULL,0);
CREATE TABLE servers (
	url TEXT NOT NULL,
	uuid VARCHAR(64) NOT NULL,
	PRIMARY KEY (url)
);
INSERT INTO "servers" VALUES('http://127.0.0.1:41679','5andb0xKestraServer001');
CREATE TABLE writes (
	run VARCHAR(32) NOT NULL,
	namespace VARCHAR(160) NOT NULL,
	phase VARCHAR(16) NOT NULL,
	changes VARCHAR(64) NOT NULL,
	namespaces JSON NOT NULL,
	result VARCHAR(64),
	PRIMARY KEY (run, namespace, phase),
	FOREIGN KEY(run) REFERENCES runs (id)
);
INSERT INTO "writes" VALUES('rxj83duywnf','','COMMIT','3c7d962e98f3f484d77e782accdb222558cb055daba7e251d7626b73262932e1','["company.team"]','d8d3d524d8ea258b1379be02150705035c9902afc5a785a3a4d867ca0e56cb05');
INSERT INTO "writes" VALUES('rj7hu3k222r','company.team','UPSERT','3e123c82a86b85d3d803225308921e2225dfbe6232778ec670e54ade9bac149c','["company.team"]','516fbf2a9ea998b35a7953310b937919f12a44cdf126d81ad87752f684c398df');
INSERT INTO "writes" VALUES('rts67mtr99e','company.team','DELETE','796da5058f25f17a214f93761484b7395e45dc24b782b7c50276ddc8f102b0da','["company.team"]',NULL);
INSERT INTO "writes" VALUES('r65gjfhv4vj','company.team','DELETE','796da5058f25f17a214f93761484b7395e45dc24b782b7c50276ddc8f102b0da','["company.team"]',NULL);
CREATE INDEX ix_runs_equality ON runs (equality);
CREATE INDEX ix_runs_state ON runs (state);
CREATE INDEX ix_runs_sync ON runs (sync);
CREATE INDEX runs_open ON runs (state, moved_at);
CREATE INDEX ix_audit_run ON audit (run);
CREATE INDEX ix_askers_run ON askers (run);
CREATE INDEX ix_reviews_run ON reviews (run);
