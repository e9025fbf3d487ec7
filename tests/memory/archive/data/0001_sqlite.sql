BEGIN TRANSACTION;
CREATE TABLE hairem_fragment (
	id CHAR(32) NOT NULL, 
	agent CHAR(32) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	visibility VARCHAR(16) NOT NULL, 
	content TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	valid_to BIGINT, 
	subject TEXT, 
	speaker TEXT, 
	about TEXT NOT NULL, 
	words TEXT NOT NULL, 
	rest TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "hairem_fragment" VALUES('10a9860bc58353779f653ba75e640e7c','22222222222252228222222222222222','fact','shared','Zoé préfère le thé 🫖 au café — « toujours » 𓂀 \ '' " % _ 
	 Ω',1793520000123456,2657433600124455,'zoé','person:zoe','["zoé", "the \"blue\" cup", "☕"]',' caf cafe prefer prefere the toujour zo zoe ω 𓂀 ','{"speaker_name": "Zoé 👩‍🚀", "language": "fr", "conversation_id": "kitchen-1", "slot": "boisson préférée", "importance": 0.1, "confidence": 0.7000000000000001, "pinned": true, "uses": 7, "last_used": "2026-11-04T08:00:00.123457+00:00", "valid_from": "2026-10-31T08:00:00.123456+00:00", "replaces_id": "2fe159eb-b165-50e1-9b3a-bdcc39556050", "replaced_by": "214fc801-ad30-5fbe-addb-a9e1e41ea2f5", "derived_from": ["756962a4-7850-59c8-ba4d-15a4f78c1912", "33b1faee-3144-5f29-9df9-006167e93aeb"], "sources": ["0750c51b-01a3-5e72-9382-372d954420f6", "a657f3f4-bc2c-572a-b889-3e14b28d7f5f"], "seq": 1099511627776, "rev": 2199023255552}');
INSERT INTO "hairem_fragment" VALUES('3b2cdf4e04a35ad9892a4620c857adc9','11111111111151118111111111111111','episode','private','the drawer number 1 holds a spoon',1793520060123456,NULL,NULL,'person:ada','[]',' 1 draw drawer hold numb number spoon ','{"speaker_name": null, "language": null, "conversation_id": null, "slot": null, "importance": 0.5, "confidence": 1.0, "pinned": false, "uses": 0, "last_used": "2026-11-01T08:01:00.123456+00:00", "valid_from": "2026-11-01T08:01:00.123456+00:00", "replaces_id": null, "replaced_by": null, "derived_from": ["546365b0-a8f1-5126-b558-9a1df13ef935"], "sources": [], "seq": 2, "rev": 2}');
CREATE TABLE hairem_vector (
	fragment_id CHAR(32) NOT NULL, 
	model TEXT NOT NULL, 
	vector BLOB NOT NULL, 
	PRIMARY KEY (fragment_id)
);
INSERT INTO "hairem_vector" VALUES('10a9860bc58353779f653ba75e640e7c','scripted/small',X'473447386A3A');
INSERT INTO "hairem_vector" VALUES('3b2cdf4e04a35ad9892a4620c857adc9','scripted/small',X'473447386A3A');
CREATE TABLE hairem_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT hairem_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "hairem_version" VALUES('0001');
CREATE INDEX hairem_fragment_at ON hairem_fragment (at, id);
CREATE INDEX hairem_fragment_agent ON hairem_fragment (agent, at, id);
COMMIT;
